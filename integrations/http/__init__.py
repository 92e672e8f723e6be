"""The HTTP API and the web chat: an adapter over `assistant.service.Assistant`."""
