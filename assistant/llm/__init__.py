"""Answers written by a language model, each sentence checked against the passages that it cites (docs/models.md)."""
