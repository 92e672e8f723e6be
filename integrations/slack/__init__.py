"""Slack: the same answers as everywhere, once, in Slack's own forms (docs/slack.md)."""
