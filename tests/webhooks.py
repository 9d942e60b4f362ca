"""A web server for tests that keeps what is posted to it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Posted(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]  # names in small letters
    fields: dict[str, Any]
    body: bytes


class WebHook:
    """What a server was sent, and what it answers."""

    def __init__(self) -> None:
        self.url = ""
        self.posted: list[Posted] = []
        self.answers: list[tuple[int, dict[str, str]]] = []  # to the next requests; then: 200
        self.delay_seconds = 0.0
        self.gone = threading.Event()  # set: nobody waits any more

    @property
    def subjects(self) -> list[str]:
        return [each.fields["subject"] for each in self.posted]


@contextlib.contextmanager
def web_hook() -> Iterator[WebHook]:
    """Run a web server on a port of its own."""
    hook = WebHook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            hook.gone.wait(hook.delay_seconds)
            status, more = hook.answers.pop(0) if hook.answers else (200, {})
            if status < 300:
                hook.posted.append(Posted(self.path, headers, json.loads(body), body))
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        hook.gone.set()
        server.shutdown()
        thread.join()
        server.server_close()
