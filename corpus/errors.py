"""The one root of failures that are the situation's and not the program's: their message is the line that a user sees."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can mend. The message names the cause and the remedy."""

    exit_status = 1
    """What the command line exits with: 2 for wrong usage, else 1."""
