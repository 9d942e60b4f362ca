"""The agent's server, in a thread of its own: it can stand alone, or beside the scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import anyio.to_thread
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dirsync.agent.app import application
from dirsync.agent.certificates import fingerprint_of
from dirsync.errors import RunError
from dirsync.model.serving import Serving

logger = logging.getLogger(__name__)

_MOST_CONNECTIONS = 256
_MOST_STREAMS = 128  # answers on their way; each takes a thread while it is made
_SILENT_SECONDS = 30  # of a connection on which no request is under way
_STALLED_SECONDS = 300.0  # for which nothing of an answer is taken
_START_SECONDS = 20.0
_END_SECONDS = 30.0


class _Protocol(H11Protocol):
    """HTTP/1.1 that does not wait for ever for a request to begin, for its head to end, or to be read."""

    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_SILENT_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
            return
        self._deadline = self.loop.call_later(_SILENT_SECONDS, self._hang_up)

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._stalled = self.loop.call_later(_STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it reads."""
        super().resume_writing()
        self._wait_no_longer()

    def _wait_no_longer(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._deadline.cancel()
        self._wait_no_longer()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """A server whose end is asked for by whoever started it: signals are not its business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class Agent:
    """A server that is up."""

    def __init__(self, serving: Serving, *, bound: socket.socket, fingerprint: str | None) -> None:
        self.serving = serving
        host, port = bound.getsockname()[:2]
        scheme = "https" if serving.certificate else "http"
        self.address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        self.fingerprint = fingerprint


@contextlib.contextmanager
def serving_agent(serving: Serving, *, state: str) -> Iterator[Agent]:
    """Serve while the block runs; `state` is where runs that are ordered are recorded.

    Raises:
        RunError: it cannot listen there, or the certificate cannot be used.
    """
    fingerprint = _checked_certificate(serving)
    bound = _bound(serving)
    app, sessions = application(serving.shares, state=state)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        http=_Protocol,
        ws="none",
        timeout_keep_alive=_SILENT_SECONDS,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=2,
        ssl_certfile=serving.certificate,
        ssl_keyfile=serving.key,
        backlog=128,
    )
    server = _Server(config)
    thread = threading.Thread(target=_serve, args=(server, bound), name="agent", daemon=True)
    thread.start()
    _await_start(server, thread)
    try:
        yield Agent(serving, bound=bound, fingerprint=fingerprint)
    finally:
        sessions.close(_END_SECONDS)
        server.should_exit = True
        thread.join(_END_SECONDS)


def _serve(server: _Server, bound: socket.socket) -> None:
    async def main() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _MOST_STREAMS
        await server.serve(sockets=[bound])

    asyncio.run(main())


def _await_start(server: _Server, thread: threading.Thread) -> None:
    waited = 0.0
    while not server.started:
        thread.join(0.02)
        waited += 0.02
        if not thread.is_alive() or waited > _START_SECONDS:
            raise RunError("the agent could not be started; its log says why")


def _bound(serving: Serving) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
        # By its protocol's name asyncio knows that small packets of it must not wait (TCP_NODELAY).
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((serving.host, serving.port))
        made.listen(128)
    except OSError as error:
        where, why = f"{serving.host}:{serving.port}", (error.strerror or str(error)).lower()
        raise RunError(f"the agent cannot listen on {where}: {why}; choose another 'listen'") from error
    return made


def _checked_certificate(serving: Serving) -> str | None:
    """Check the certificate and its key; give the fingerprint, None: plain HTTP."""
    if serving.certificate is None:
        return None
    fingerprint = fingerprint_of(serving.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(serving.certificate, serving.key)
    except (OSError, ssl.SSLError) as error:
        raise RunError(
            f"certificate '{serving.certificate}' and key '{serving.key}' do not go together: "
            f"{getattr(error, 'reason', None) or error.strerror or error}"
        ) from error
    return fingerprint
