"""Adapters and nothing else: command line, HTTP and web chat, Slack."""
