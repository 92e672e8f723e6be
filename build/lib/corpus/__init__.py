"""The guidance itself: notes, structured data, their schema and their loader."""
