"""A scripted model behind a real OpenAI-compatible HTTP server on loopback: it says what a test wants."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server does with one request."""

    text: str = ""
    status: int = 200
    body: str = ""
    """Raw body of an error, or of an answer that is no event stream."""
    chunk: int = 12
    """Characters per event."""
    pause: float = 0.0
    """Seconds between events."""
    stall_after: int | None = None
    """Characters after which nothing more comes."""
    cut_after: int | None = None
    """Characters after which the connection is dropped."""
    endless: str = ""
    """Repeated after the text until the reader leaves."""
    headers: dict[str, str] = field(default_factory=dict)
    usage: bool = True


Script = Callable[[dict[str, Any]], Reply]


class ScriptedServer:
    """Answers every request with what `script` makes of it, and remembers what was asked."""

    def __init__(self) -> None:
        self.script: Script = lambda request: Reply("{}")
        self.requests: list[dict[str, Any]] = []
        self.left = threading.Event()
        """Set when a reader dropped the connection."""
        self.most_together = 0
        self._open: set[BaseHTTPRequestHandler] = set()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                request = json.loads(self.rfile.read(length))
                with outer._lock:
                    outer.requests.append(request)
                    outer._open.add(self)
                    outer.most_together = max(outer.most_together, len(outer._open))
                try:
                    outer._answer(self, outer.script(request))
                except (BrokenPipeError, ConnectionResetError):
                    outer.left.set()
                finally:
                    outer._ended(self)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def open(self) -> int:
        """Requests that are being answered."""
        with self._lock:
            return len(self._open)

    def _ended(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self._open.discard(handler)

    def _answer(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.status != 200 or reply.body:
            body = (reply.body or json.dumps({"error": {"message": "scripted", "type": "x"}})).encode()
            handler.send_response(reply.status)
            for name, value in {"content-type": "application/json", **reply.headers}.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.close_connection = True
        sent = 0
        for piece in self._pieces(reply):
            if reply.cut_after is not None and sent >= reply.cut_after:
                handler.connection.shutdown(2)
                return
            if reply.stall_after is not None and sent >= reply.stall_after:
                self._wait_until_left(handler)
                return
            handler.wfile.write(_event({"delta": {"content": piece}}))
            handler.wfile.flush()
            sent += len(piece)
            if reply.pause:
                time.sleep(reply.pause)
        handler.wfile.write(_event({"delta": {}, "finish_reason": "stop"}))
        if reply.usage:
            handler.wfile.write(_usage(120, sent // 4))
        self._ended(handler)  # before the reader can know it, or its next call would count as a second one
        handler.wfile.write(b"data: [DONE]\n\n")

    def _pieces(self, reply: Reply) -> Iterator[str]:
        for start in range(0, len(reply.text), reply.chunk):
            yield reply.text[start : start + reply.chunk]
        while reply.endless:
            yield reply.endless

    def _wait_until_left(self, handler: BaseHTTPRequestHandler) -> None:
        """A server that hangs: it notices a reader who leaves."""
        handler.connection.settimeout(60)
        try:
            if handler.connection.recv(1) == b"":
                self.left.set()
        except OSError:
            pass

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _event(choice: dict[str, Any]) -> bytes:
    chunk = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "finish_reason": None, **choice}],
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _usage(read: int, wrote: int) -> bytes:
    usage = {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
    chunk = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "scripted",
        "choices": [],
        "usage": usage,
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


_PASSAGE = re.compile(r'<passage token="(P\d+)" programme="(\w+)"[^>]*>\n(.*?)\n</passage>', re.S)


def given(request: dict[str, Any]) -> dict[str, str]:
    """Passages of a request by token."""
    return {token: text for token, _, text in _PASSAGE.findall(request["messages"][-1]["content"])}


def token_of(request: dict[str, Any], words: str) -> str:
    """The token of the passage that holds `words`."""
    return next(token for token, text in given(request).items() if words in text)


def purpose(request: dict[str, Any]) -> str:
    """Which prompt a request was made from."""
    system = request["messages"][0]["content"]
    if "search engine" in system:
        return "understand"
    return "check" if "supports a claim" in system else "write"


def answer(*sentences: tuple[str, list[str]] | tuple[str, list[str], str]) -> str:
    """The JSON that the prompt asks for."""
    items = []
    for text, cites, *rest in sentences:
        items.append({"text": text, "cites": cites} | ({"translation": rest[0]} if rest else {}))
    return json.dumps({"sentences": items}, ensure_ascii=False)
