"""How paths, which are bytes, are shown to people and written to machines."""

from __future__ import annotations

import os
from collections.abc import Mapping


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
    from urllib.parse import quote_from_bytes  # loads much, and is seldom needed

    return quote_from_bytes(path, safe="/")


def is_text(path: bytes) -> bool:
    """Whether a path is valid UTF-8."""
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def fields_of(key: str, path: bytes) -> dict[str, str]:
    """Write bytes for a machine: as text where they are UTF-8, else escaped and once more byte for byte."""
    if is_text(path):
        return {key: path.decode("utf-8")}
    return {key: shown(path), f"{key}_bytes": percent_encoded(path)}


def from_fields(fields: Mapping[str, object], key: str) -> bytes:
    """Read back what `fields_of` wrote.

    Raises:
        ValueError: it is not there, or it is no text.
    """
    exact = fields.get(key + "_bytes")
    value = exact or fields.get(key)
    if not isinstance(value, str):
        raise ValueError(f"'{key}' is no text" if key in fields else f"'{key}' is missing")
    if exact:
        from urllib.parse import unquote_to_bytes

        return unquote_to_bytes(value)
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"'{key}' is no valid Unicode; write its bytes as '{key}_bytes'") from None


def local_text(path: bytes) -> str:
    """Write a whole local path for a message."""
    return escaped(os.fsdecode(path))


def in_words(error: OSError) -> str:
    """Say what the system refused, and of which path where it tells."""
    where = f"'{local_text(os.fsencode(error.filename))}': " if error.filename else ""
    return f"{where}{error.strerror or error}"
