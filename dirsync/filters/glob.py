"""Globs as git's wildmatch reads them: first into tokens, then into a regex.

A token is a byte, a set of bytes, or a `Wild`. The regex never backtracks further
than it must: of all stretches of text a wildcard may take before another wildcard
of its kind, the shortest is as good as any, so each is closed in an atomic group.
A hostile ignore file costs time in the square of a path's length at worst.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterable, Sequence

from dirsync.filters.brackets import ANY_BYTE, parse_bracket

_SPECIAL = re.compile(rb"[*?\[\\]")
_SLASH = ord("/")


class Wild(enum.Enum):
    """A wildcard that matches any number of bytes."""

    STAR = "*"  # within a name
    DIRECTORIES = "**/"  # nothing, or anything that ends with a slash
    ANYTHING = "**"


Token = int | frozenset[int] | Wild


def literal_length(pattern: bytes) -> int:
    """Count the bytes before the first that has a meaning."""
    special = _SPECIAL.search(pattern)
    return len(pattern) if special is None else special.start()


def parse_glob(pattern: bytes) -> tuple[Token, ...] | None:
    """Read a glob; None where it can match nothing (unclosed bracket, last backslash).

    As in git, `**` crosses slashes only between slashes and the ends of `pattern`.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(pattern):
        step = _parse_token(pattern, position)
        if step is None:
            return None
        token, position = step
        if not (token is Wild.DIRECTORIES and tokens and tokens[-1] is token):
            tokens.append(token)
    return tuple(tokens)


def _parse_token(pattern: bytes, position: int) -> tuple[Token, int] | None:
    match pattern[position : position + 1]:
        case b"*":
            return _parse_stars(pattern, position)
        case b"?":
            return ANY_BYTE, position + 1
        case b"[":
            bracket = parse_bracket(pattern, position + 1)
            return bracket if bracket is not None and bracket.members else None
        case b"\\":
            return (pattern[position + 1], position + 2) if position + 1 < len(pattern) else None
        case _:
            return pattern[position], position + 1


def _parse_stars(pattern: bytes, start: int) -> tuple[Token, int]:
    end = start
    while pattern[end : end + 1] == b"*":
        end += 1
    begins_segment = start == 0 or pattern[start - 1] == _SLASH
    if end - start == 1 or not begins_segment:
        return Wild.STAR, end
    if pattern[end : end + 1] == b"/":
        return Wild.DIRECTORIES, end + 1
    if end == len(pattern) or pattern[end : end + 2] == b"\\/":
        return Wild.ANYTHING, end
    return Wild.STAR, end


def literal(tokens: Iterable[Token]) -> bytes | None:
    """Give the only text that matches; None where there are wildcards or sets."""
    found = bytearray()
    for token in tokens:
        if not isinstance(token, int):
            return None
        found.append(token)
    return bytes(found)


def translate(tokens: Sequence[Token]) -> bytes:
    """Write tokens as a regex for `fullmatch` with DOTALL; it has no capturing group."""
    head, *pieces = _split_before(tokens, (Wild.DIRECTORIES, Wild.ANYTHING))
    parts = [_GAPS[piece[0]] + _path_regex(piece[1:]) for piece in pieces]
    return _path_regex(head) + _committed(parts)


_GAPS: dict[Token, bytes] = {Wild.DIRECTORIES: rb"(?:.*?/)??", Wild.ANYTHING: rb".*?"}


def _committed(parts: Sequence[bytes]) -> bytes:
    """Join parts that begin with a wildcard each, so that all but the last match once."""
    return b"".join(b"(?>%b)" % part for part in parts[:-1]) + b"".join(parts[-1:])


def _path_regex(tokens: Sequence[Token]) -> bytes:
    return b"".join(_segment_regex(segment) for segment in _split_before(tokens, (_SLASH,)))


def _segment_regex(tokens: Sequence[Token]) -> bytes:
    head, *pieces = _split_before(tokens, (Wild.STAR,))
    return _fixed_regex(head) + _committed([rb"[^/]*?" + _fixed_regex(piece[1:]) for piece in pieces])


def _fixed_regex(tokens: Iterable[Token]) -> bytes:
    return b"".join(_one_byte_regex(token) for token in tokens)


def _one_byte_regex(token: Token) -> bytes:
    if isinstance(token, int):
        return re.escape(bytes([token]))
    assert isinstance(token, frozenset)
    if token == ANY_BYTE:
        return b"[^/]"
    return b"[%b]" % b"".join(rb"\x%02x" % byte for byte in sorted(token))


def _split_before(tokens: Sequence[Token], separators: Sequence[Token]) -> list[Sequence[Token]]:
    """Split where a separator begins a new piece; the first piece begins with none."""
    starts = [index for index, token in enumerate(tokens) if token in separators]
    bounds = [0, *starts, len(tokens)]
    return [tokens[begin:end] for begin, end in itertools.pairwise(bounds)]
