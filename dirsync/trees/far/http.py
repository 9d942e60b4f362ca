"""Asking an agent over HTTP/1.1: connections that are kept, certificates that are checked first."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from dirsync.errors import RunError
from dirsync.model.place import FarPlace
from dirsync.trees.far.connection import Refusal, Unreachable
from dirsync.wire.asks import VERSION, Question
from dirsync.wire.beliefs import one_line
from dirsync.wire.frames import Frames, StreamCut

_CONNECT_SECONDS = 10.0
_SILENT_SECONDS = 60.0  # an agent at work says that it is alive more often than that
_LITTLE_BYTES = 4096
_BUSY = frozenset({429, 502, 503, 504})
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})
_encoder = msgspec.msgpack.Encoder()


class Stream:
    """The body of a response, read as it comes."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def read(self, count: int, /) -> bytes:
        """Give as many bytes as are asked for; fewer only at the end.

        Raises:
            StreamCut: the connection broke.
        """
        try:
            return self._response.read(count)
        except (OSError, http.client.HTTPException) as error:
            raise StreamCut(f"the connection was lost: {in_short(error)}") from error


class Wire:
    """The connections to one agent; used by several threads."""

    def __init__(self, place: FarPlace) -> None:
        parts = urlsplit(place.address)
        self.place = place
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._context: ssl.SSLContext | None = None  # made when it is first needed
        self._idle: list[http.client.HTTPConnection] = []
        # By the connection: its socket, which it forgets where the answer is its last.
        self._busy: dict[http.client.HTTPConnection, socket.socket] = {}
        self._is_closed = False
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections; whoever waits at one that is in use hears that it was lost."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._is_closed = True
        self.abort()
        for connection in idle:
            connection.close()

    def abort(self) -> None:
        """Cut every connection that is in use, so that whoever waits for an answer waits no longer."""
        with self._lock:
            busy = list(self._busy.values())
        for connected in busy:
            with contextlib.suppress(OSError):  # it is closed already
                connected.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def posted(self, path: str, body: Any) -> Iterator[http.client.HTTPResponse]:
        """Send a request, and give its answer while the block runs; `body` as `http.client` has it.

        Raises:
            Unreachable: it did not get through, or the agent is busy.
            RunError: it was refused, or the certificate is not the one that is trusted.
        """
        connection = self._connection()
        is_reusable = False
        try:
            response = self._exchange(connection, path, body)
            yield response
            is_reusable = response.isclosed() and connection.sock is not None
        finally:
            self._let_go(connection, is_reusable=is_reusable)

    def _exchange(
        self, connection: http.client.HTTPConnection, path: str, body: Any
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/octet-stream", "Dirsync-Protocol": str(VERSION)}
        if self.place.token is not None:
            headers["Authorization"] = f"Bearer {self.place.token}"
        try:
            connection.request("POST", path, body=body, headers=headers)
            response = connection.getresponse()
        except http.client.RemoteDisconnected as error:
            hint = "" if self._secure else " (if it speaks TLS, write https://)"
            raise Unreachable(f"it closed the connection{hint}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(in_short(error)) from error
        if response.status in _BUSY:
            raise Unreachable(f"the agent is busy ({response.status})")
        if response.status != http.HTTPStatus.OK:
            raise self._refusal(response)
        return response

    def _refusal(self, response: http.client.HTTPResponse) -> RunError:
        reason = _reason_in(response)
        shown = self.place.address
        if response.status == http.HTTPStatus.UNAUTHORIZED:
            return Refusal(f"{shown} does not know this token; give the endpoint one that the share lists")
        return Refusal(f"{self.place}: {reason} ({response.status})")

    def _connection(self) -> http.client.HTTPConnection:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connected()
        with self._lock:
            self._busy[connection] = connection.sock
            if not self._is_closed:
                return connection
        self._let_go(connection, is_reusable=False)
        raise Unreachable("the connection was given up")

    def _let_go(self, connection: http.client.HTTPConnection, *, is_reusable: bool) -> None:
        with self._lock:
            self._busy.pop(connection, None)
            if is_reusable and not self._is_closed:
                self._idle.append(connection)
                return
        connection.close()

    def _connected(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        try:
            if self._secure:
                connection = self._over_tls(self._trusting())
            else:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=_CONNECT_SECONDS)
            connection.connect()
            connection.sock.settimeout(_SILENT_SECONDS)
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except ssl.SSLCertVerificationError as error:
            raise Refusal(
                f"{self.place.address}: its certificate is not trusted: {error.verify_message}; "
                "give the endpoint its 'fingerprint', or the 'ca' that signed it"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
                raise Refusal(
                    f"{self.place.address} does not speak TLS; give the port of the agent, or write http://"
                ) from error
            raise Unreachable(in_short(error)) from error
        return connection

    def _over_tls(self, context: ssl.SSLContext) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection(self._host, self._port, timeout=_CONNECT_SECONDS, context=context)

    def _trusting(self) -> ssl.SSLContext:
        """Give what checks the agent's certificate; asked before anything is sent, the token above all."""
        with self._lock:
            if self._context is None:
                pinned = None if self.place.fingerprint is None else self._seen_certificate()
                self._context = _context_for(self.place, pinned=pinned)
            return self._context

    def _seen_certificate(self) -> bytes:
        """Look at the certificate that is shown, and check that it is the pinned one."""
        seeing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        seeing.check_hostname = False
        seeing.verify_mode = ssl.CERT_NONE
        connection = self._over_tls(seeing)
        try:
            connection.connect()
            assert isinstance(connection.sock, ssl.SSLSocket)
            certificate = connection.sock.getpeercert(binary_form=True) or b""
        finally:
            connection.close()
        found, wanted = hashlib.sha256(certificate).hexdigest(), self.place.fingerprint or ""
        if not hmac.compare_digest(found, wanted):
            raise Refusal(
                f"{self.place.address}: its certificate has the fingerprint sha256:{found}, "
                f"not sha256:{wanted}; somebody else answers, or it was made anew"
            )
        return certificate


def read_to_end(response: http.client.HTTPResponse) -> None:
    """Read what is left of a body, so that its connection can be used again: little, or nothing.

    Where there is more, or the connection is lost, it is not.
    """
    with contextlib.suppress(OSError, http.client.HTTPException):
        response.read(_LITTLE_BYTES)


class HttpAsking:
    """Asks an agent about one of its shares."""

    def __init__(self, place: FarPlace) -> None:
        """Ask about a place's share.

        Raises:
            RunError: the certificates it trusts cannot be read.
        """
        self.wire = Wire(place)
        self._path = f"/v1/shares/{quote(place.share, safe='')}/ask"

    @contextlib.contextmanager
    def ask(self, question: Question) -> Iterator[Frames]:
        """Ask, and give the stream of answers; as `Asking` says."""
        with self.wire.posted(self._path, _encoder.encode(question)) as response:
            frames = Frames(Stream(response))
            yield frames
            if frames.ended:
                read_to_end(response)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self.wire.close()


def _context_for(place: FarPlace, *, pinned: bytes | None) -> ssl.SSLContext:
    """Make what checks certificates: `pinned` (DER) alone, as long as it is valid, whatever name it has.

    None: what a given authority signed, or one that the system trusts, and for the agent's name.
    """
    if pinned is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=pinned)
        return context
    try:
        return ssl.create_default_context(cafile=place.ca)
    except (OSError, ssl.SSLError) as error:
        raise RunError(f"'{place.ca}' cannot be read as certificates: {in_short(error)}") from error


def _reason_in(response: http.client.HTTPResponse) -> str:
    """Give what the agent says of a refusal, on one line."""
    try:
        text = response.read(_LITTLE_BYTES).decode("utf-8", "replace")
        reason = json.loads(text)["error"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return "refused, and not as an agent would; is that its port?"
    return one_line(str(reason))


def in_short(error: Exception) -> str:
    """Say of an error of a connection what went wrong, without its numbers."""
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
