"""The command line: `aeo`."""
