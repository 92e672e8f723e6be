"""Sentences of real-looking answers, each labelled as supported by its passage or not."""
