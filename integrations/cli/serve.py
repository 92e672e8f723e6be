"""`aeo serve` and `aeo slack`."""

from __future__ import annotations

from pathlib import Path

import click

from integrations.cli.common import index_option, load_settings


@click.command("serve", epilog="Example: aeo serve --port 8080")
@click.option("--host", help="Address to listen on; default: AEO_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; default: AEO_PORT.")
@index_option
def serve_command(host: str | None, port: int | None, index: Path | None) -> None:
    """Serve the HTTP API and the web chat."""
    from integrations.http.app import serve

    settings = load_settings(index)
    serve(settings.model_copy(update={k: v for k, v in {"host": host, "port": port}.items() if v is not None}))


@click.command("slack", epilog="Example: SLACK_BOT_TOKEN=xoxb-… SLACK_APP_TOKEN=xapp-… aeo slack")
@index_option
def slack_command(index: Path | None) -> None:
    """Answer in Slack over Socket Mode."""
    import asyncio

    from integrations.slack.app import run_socket_mode

    asyncio.run(run_socket_mode(load_settings(index)))
