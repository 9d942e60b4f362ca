"""The values that say who is told, and how: addresses, hosts, URLs. A URL is never repeated in a message."""

from __future__ import annotations

import re

from dirsync.config.leaves import spoken, text_of, whole
from dirsync.config.nodes import ScalarNode
from dirsync.config.problems import quoted
from dirsync.config.shapes import Leaf

_HOST = re.compile(r"[A-Za-z0-9_.:%\[\]-]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_HIGHEST_PORT = 65535
NOTHING: dict[str, object] = {"not": {}}  # the schema of a text that is always refused


def _address(scalar: ScalarNode) -> str:
    """Give one mail address, with the name of its owner or without."""
    from email.utils import getaddresses  # loads much, and few files have notifiers

    text = text_of(scalar)
    found = getaddresses([text]) if text.isprintable() else []
    address = found[0][1] if len(found) == 1 else ""
    if address and not address.isascii():
        raise ValueError(f"{quoted(text)} is an address that few servers take; write it in ASCII")
    if not _is_address(address):
        raise ValueError(
            f"{quoted(text)} is no mail address; write one, as ops@example.org or 'Backups <ops@example.org>'"
        )
    return text


def _is_address(text: str) -> bool:
    from email.errors import MessageError
    from email.headerregistry import Address

    try:
        address = Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        return False
    return bool(address.username and address.domain)


def _host(scalar: ScalarNode) -> str:
    text = text_of(scalar)
    if not _HOST.fullmatch(text) or "://" in text:
        raise ValueError(f"{quoted(text)} is no host; write its name or address, as mail.example.org")
    return text.strip("[]")


def _port(scalar: ScalarNode) -> int:
    port = whole(1, _HIGHEST_PORT)(scalar)
    assert port is not None
    return port


def _url(scalar: ScalarNode) -> str:
    text = text_of(scalar)
    fault = fault_of_url(text)
    if fault:
        raise ValueError(f"{fault}; write one, as https://example.org/hook, or {{secret: NAME}}")
    return text


def fault_of_url(text: str) -> str | None:
    """Say what is wrong with the URL of a notifier, without repeating it; None: nothing."""
    from urllib.parse import urlsplit  # loads much, and few files have notifiers

    if not text.isprintable() or " " in text:
        return "holds a space or a control character, so it is no URL"
    try:
        scheme = urlsplit(text).scheme
    except ValueError:
        return "is no URL"
    return None if scheme and "://" in text else "is no URL"


def is_web_url(text: str) -> bool:
    """Whether a URL without fault is one that a web server answers."""
    from urllib.parse import urlsplit

    parts = urlsplit(text)
    try:
        is_web = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
        return is_web and text.isascii()
    except ValueError:  # the port
        return False


def _endpoint(scalar: ScalarNode) -> str:
    text = text_of(scalar)
    if fault_of_url(text) or not is_web_url(text):
        raise ValueError(f"{quoted(text)} is no URL; write one, as http://localhost:5000")
    return text


def _password(_: ScalarNode) -> str:
    raise ValueError("is not written here; declare it under 'secrets', and write {secret: NAME}")


def _header(scalar: ScalarNode) -> str:
    text = text_of(scalar)
    if not _HEADER_VALUE.fullmatch(text):
        raise ValueError("holds what no header can; write printable ASCII, or {secret: NAME}")
    return text


def is_header_name(text: str) -> bool:
    """Whether a text can be the name of a header."""
    return bool(_HEADER_NAME.fullmatch(text))


def is_header_value(text: str) -> bool:
    """Whether a text can be the value of a header."""
    return bool(_HEADER_VALUE.fullmatch(text))


def _region(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(f"{quoted(text)} is no region; write one, as eu-central-1")
    return text


ADDRESS = Leaf(read=_address, expected="a mail address", schema={"type": "string"})
HOST = Leaf(read=_host, expected="a host", schema={"type": "string"})
PORT = Leaf(read=_port, expected="a port", schema={"type": "integer", "minimum": 1, "maximum": _HIGHEST_PORT})
URL = Leaf(read=_url, expected="a URL or {secret: NAME}", schema={"type": "string"})
ENDPOINT = Leaf(read=_endpoint, expected="a URL", schema={"type": "string"})
PASSWORD = Leaf(read=_password, expected="{secret: NAME}", schema=NOTHING)
HEADER = Leaf(read=_header, expected="a text or {secret: NAME}", schema={"type": "string"})
REGION = Leaf(read=spoken(_region), expected="a region", schema={"type": "string"})
