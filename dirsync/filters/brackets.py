"""Bracket expressions (`[a-z]`, `[!x]`, `[[:alpha:]]`) as the sets of bytes they match.

Source: git 2.39's wildmatch, as observed; POSIX classes are ASCII in any locale.
"""

from __future__ import annotations

import string
from typing import NamedTuple

_CLASSES = {
    b"alnum": string.ascii_letters + string.digits,
    b"alpha": string.ascii_letters,
    b"blank": " \t",
    b"cntrl": "".join(map(chr, [*range(1, 32), 127])),
    b"digit": string.digits,
    b"graph": string.ascii_letters + string.digits + string.punctuation,
    b"lower": string.ascii_lowercase,
    b"print": string.ascii_letters + string.digits + string.punctuation + " ",
    b"punct": string.punctuation,
    b"space": " \t\n\r",  # git's own table: neither \v nor \f
    b"upper": string.ascii_uppercase,
    b"xdigit": string.hexdigits,
}
CLASSES = {name: frozenset(members.encode("ascii")) for name, members in _CLASSES.items()}
ANY_BYTE = frozenset(range(1, 256)) - {ord("/")}  # what `?` matches: a slash never


class Bracket(NamedTuple):
    """What a bracket expression matches, and where the pattern goes on after it."""

    members: frozenset[int]
    end: int


class _Member(NamedTuple):
    members: frozenset[int]
    last: int  # the byte a following "-" starts a range from; 0: no range can start
    end: int


def parse_bracket(pattern: bytes, start: int) -> Bracket | None:
    """Read the expression whose `[` is just before `start`.

    None: it is unclosed or names an unknown class, so the whole pattern matches nothing.
    """
    negated = pattern[start : start + 1] in (b"!", b"^")
    position = start + negated
    members: frozenset[int] = frozenset()
    last = 0
    while True:  # the first member may be "]"
        member = _parse_member(pattern, position, last)
        if member is None:
            return None
        members |= member.members
        last, position = member.last, member.end
        if pattern[position : position + 1] == b"]":
            break
    return Bracket(ANY_BYTE - members if negated else members & ANY_BYTE, position + 1)


def _parse_member(pattern: bytes, position: int, last: int) -> _Member | None:
    following = pattern[position + 1 : position + 2]
    match pattern[position : position + 1]:
        case b"-" if last and following not in (b"", b"]"):
            return _parse_range(pattern, position + 1, last)
        case b"[" if following == b":":
            return _parse_class(pattern, position + 2)
        case _:
            return _parse_byte(pattern, position)


def _parse_byte(pattern: bytes, position: int) -> _Member | None:
    if pattern[position : position + 1] == b"\\":
        position += 1
    if position >= len(pattern):
        return None
    return _Member(frozenset({pattern[position]}), pattern[position], position + 1)


def _parse_range(pattern: bytes, position: int, first: int) -> _Member | None:
    end = _parse_byte(pattern, position)
    if end is None:
        return None
    return _Member(frozenset(range(first, end.last + 1)), 0, end.end)


def _parse_class(pattern: bytes, start: int) -> _Member | None:
    end = pattern.find(b"]", start)
    if end < 0:
        return None
    if end == start or pattern[end - 1 : end] != b":":  # "[:" without ":]": an ordinary "["
        return _Member(frozenset(b"["), ord("["), start - 1)
    members = CLASSES.get(pattern[start : end - 1])
    return None if members is None else _Member(members, 0, end + 1)
