"""Places of other machines: `https://host:port/share/path`, or a path at an endpoint that has a name."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from msgspec import Struct

from dirsync.config.problems import did_you_mean, quoted
from dirsync.model.place import FarPlace
from dirsync.model.serving import is_token

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ENDPOINT = re.compile(r"[A-Za-z0-9_.@-]+:/")
_SCHEMES = ("https", "http")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


_NEEDED = ("pyfastcdc", "backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")


def is_url(text: str) -> bool:
    """Whether a text is a URL."""
    return _URL.match(text) is not None


def is_endpoint_path(text: str) -> bool:
    """Whether a text is a path at an endpoint that has a name."""
    return _ENDPOINT.match(text) is not None


class FarName(Struct, frozen=True):
    """A place of another machine, as it was written."""

    text: str


class FarAddress(Struct, frozen=True, kw_only=True):
    """What a URL says."""

    address: str  # scheme, host and port
    share: str
    beneath: bytes
    is_plain: bool  # no TLS, and not on this machine


class Endpoint(Struct, frozen=True, kw_only=True):
    """A place of another machine that has a name, and how its agent is known."""

    name: str
    url: FarAddress
    token: str | None = None  # the secret itself
    token_secret: str | None = None  # its name
    ca: str | None = None
    fingerprint: str | None = None
    insecure: bool = False  # plain HTTP, said in so many words

    def place(self, beneath: bytes) -> FarPlace:
        """Give a place at this endpoint."""
        return FarPlace(
            address=self.url.address,
            share=self.url.share,
            beneath=beneath,
            token=self.token,
            ca=self.ca,
            fingerprint=self.fingerprint,
        )


def address_of(text: str) -> FarAddress:
    """Read a URL.

    Raises:
        ValueError: it is none of an agent's share.
    """
    from urllib.parse import unquote_to_bytes, urlsplit  # loads much, and few files have one

    example = "write https://host:8443/share"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{quoted(text)} is no URL: {error}; {example}") from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(f"{quoted(text)} is no URL of an agent; {example}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or a password; write the token as a secret of an endpoint")
    if parts.query or parts.fragment:
        raise ValueError(f"{quoted(text)} has a part after '?' or '#'; {example}")
    names = [unquote_to_bytes(name) for name in parts.path.split("/") if name not in ("", ".")]
    if not names:
        raise ValueError(f"{quoted(text)} names no share; {example}")
    _check_components(names, text)
    try:
        share = names[0].decode()
    except UnicodeDecodeError:
        raise ValueError(f"{quoted(text)} names a share that no agent has; {example}") from None
    host = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    number = port or (443 if parts.scheme == "https" else 80)
    return FarAddress(
        address=f"{parts.scheme}://{host}:{number}",
        share=share,
        beneath=b"/".join(names[1:]),
        is_plain=parts.scheme == "http" and parts.hostname not in _LOOPBACK,
    )


def _check_components(names: Iterable[bytes], text: str) -> None:
    if any(name == b".." or b"\0" in name or b"/" in name for name in names):
        raise ValueError(f"{quoted(text)} leads out of its share; write a path without '..'")


def place_of(name: FarName, endpoints: Mapping[str, Endpoint]) -> FarPlace:
    """Give the place that a job's `source` or `destination` names.

    Raises:
        ValueError: there is no such endpoint, the URL is none, or what speaks to agents is not installed.
    """
    if not all(map(_is_installed, _NEEDED)):
        raise ValueError("is on another machine, which needs more packages; pip install 'dirsync[agent]'")
    if "://" in name.text:
        return _place_at(address_of(name.text), endpoints)
    endpoint_name, _, path = name.text.partition(":")
    endpoint = endpoints.get(endpoint_name)
    if endpoint is None:
        near = did_you_mean(endpoint_name, endpoints) or (
            f"; declare it under 'endpoints', or write './{name.text}' for a directory of that name"
        )
        raise ValueError(f"there is no endpoint {quoted(endpoint_name)}{near}")
    names = [os.fsencode(part) for part in path.split("/") if part not in ("", ".")]
    _check_components(names, name.text)
    return endpoint.place(b"/".join([*filter(None, [endpoint.url.beneath]), *names]))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _place_at(url: FarAddress, endpoints: Mapping[str, Endpoint]) -> FarPlace:
    """Give the place a URL names, known as the endpoint is that has the same share."""
    for endpoint in endpoints.values():
        if (endpoint.url.address, endpoint.url.share) == (url.address, url.share):
            return endpoint.place(url.beneath)
    if url.is_plain:
        raise ValueError(
            "is plain HTTP to another machine, where anybody can listen; write https, "
            "or declare an endpoint with 'insecure: true'"
        )
    token = os.environ.get("DIRSYNC_TOKEN", "").strip()
    if not is_token(token):
        raise ValueError("the variable DIRSYNC_TOKEN holds no token: one is a line of printable ASCII")
    return FarPlace(address=url.address, share=url.share, beneath=url.beneath, token=token or None)
