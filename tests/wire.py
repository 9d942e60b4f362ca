"""A wire between two ends that counts what it carries, breaks now and then, or is slow."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Cutting:
    """Carries TCP connections to a port of this machine."""

    def __init__(self, port: int, *, every: int | None, bytes_a_second: int | None = None) -> None:
        """Cut all connections whenever `every` bytes were carried (None: never)."""
        self._to = port
        self._every = every
        self._rate = bytes_a_second
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._next_cut = every
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.carried = 0  # bytes, both ways
        self.cuts = 0

    def __enter__(self) -> Cutting:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection, as a cable that is pulled would."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    self._open |= {near, far}
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := one.recv(1 << 16):
                if self._rate is not None:
                    time.sleep(len(block) / self._rate)
                other.sendall(block)
                if self._count(len(block)):
                    self.cut()
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, count: int) -> bool:
        with self._lock:
            self.carried += count
            if self._next_cut is None or self.carried < self._next_cut:
                return False
            assert self._every is not None
            self._next_cut = self.carried + self._every
            self.cuts += 1
            return True
