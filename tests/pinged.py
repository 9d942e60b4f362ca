"""A dead-man service for tests: a real server that answers as told and keeps what it was asked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Service:
    """What the server answers, and what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []  # taken in turn; then 200
        self.hangs = threading.Event()  # set: it answers nothing until it is cleared
        self.asked: list[tuple[str, str]] = []  # method and path
        self.agents: set[str] = set()
        self.address = ""


@contextlib.contextmanager
def dead_man_service() -> Iterator[Service]:
    """Give a service that is up."""
    service, over = Service(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append((self.command, self.path))
            service.agents.add(self.headers["User-Agent"])
            while service.hangs.is_set() and not over.wait(0.02):
                pass
            code, headers = service.answers.pop(0) if service.answers else (200, {})
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(b"OK")

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield service
        finally:
            over.set()
            server.shutdown()
