"""How paths, which are bytes, are shown to people and written to machines."""

from __future__ import annotations

import os
import urllib.parse


def shown(path: bytes) -> str:
    """Write a path so that any terminal or log shows it on one line.

    Control characters, undecodable bytes and what Unicode calls unprintable are
    escaped as `\\n`, `\\x1b`, `\\xff`, `\\u202e`; a backslash is doubled. The root is `.`.
    """
    return escaped(path.decode("utf-8", "surrogateescape")) or "."


def escaped(text: str) -> str:
    """Escape what is not printable in a text that may hold surrogate escapes."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped_character(character) for character in text)


def _escaped_character(character: str) -> str:
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def percent_encoded(path: bytes) -> str:
    """Write a path so that any machine reads back its bytes (RFC 3986, `/` kept)."""
    return urllib.parse.quote_from_bytes(path, safe="/")


def is_text(path: bytes) -> bool:
    """Whether a path is valid UTF-8."""
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def local_text(path: bytes) -> str:
    """Write a whole local path for a message."""
    return escaped(os.fsdecode(path))


def in_words(error: OSError) -> str:
    """Say what the system refused, and of which path where it tells."""
    where = f"'{local_text(os.fsencode(error.filename))}': " if error.filename else ""
    return f"{where}{error.strerror or error}"
