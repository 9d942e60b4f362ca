"""One pattern, parsed: what it says and where it can apply."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from dirsync.filters.glob import Token, Wild, literal, literal_length, parse_glob, translate
from dirsync.filters.lines import pattern_text

_SLASH = ord("/")
_DEEP: frozenset[Token] = frozenset({Wild.DIRECTORIES, Wild.ANYTHING})  # what crosses slashes


class Rule(Struct, frozen=True, kw_only=True):
    """One pattern of a list.

    Its glob matches the whole name, or if `anchored` the whole path below the list's base.
    """

    negated: bool
    directory_only: bool
    anchored: bool
    literal: bytes | None  # the only text the glob matches; None: there is more than one
    extension: bytes | None  # `.ext` where the glob is `*.ext`; None: it is another
    regex: bytes  # the glob, for `fullmatch` with DOTALL; has no capturing group
    fixed: bytes = b""  # of an anchored rule: the directory all matches are beneath; ends with "/"
    depth: int | None = None  # of an anchored rule: how many slashes a match has; None: any number

    def can_match_in(self, directory: bytes) -> bool:
        """Whether an anchored rule can match a child of a directory (ends with "/", or empty)."""
        at_depth = self.depth is None or directory.count(b"/") == self.depth
        return at_depth and directory.startswith(self.fixed)

    def can_match_beneath(self, directory: bytes) -> bool:
        """Whether an anchored rule can match a directory's child or anything further down."""
        at_depth = self.depth is None or directory.count(b"/") <= self.depth
        return at_depth and (directory.startswith(self.fixed) or self.fixed.startswith(directory))


def parse_rule(line: bytes) -> Rule | None:
    """Read one line; None for a blank, a comment, or a pattern that can match nothing."""
    pattern = pattern_text(line)
    negated = pattern.startswith(b"!")
    pattern = pattern[negated:]
    directory_only = pattern.endswith(b"/")
    pattern = pattern.removesuffix(b"/")
    has_slash = b"/" in pattern  # even within brackets
    pattern = pattern.removeprefix(b"/")
    fixed_length = literal_length(pattern) if has_slash else 0
    tokens = _tokens(pattern, fixed_length)
    if has_slash and tokens[:1] == (Wild.DIRECTORIES,) and _is_name(tokens[1:]):
        has_slash, tokens = False, tokens[1:]
    if not tokens:
        return None
    return Rule(
        negated=negated,
        directory_only=directory_only,
        anchored=has_slash,
        literal=literal(tokens),
        extension=_extension(tokens),
        regex=translate(tokens),
        fixed=pattern[: pattern.rfind(b"/", 0, fixed_length) + 1],
        depth=None if _DEEP & set(tokens) else tokens.count(_SLASH),
    )


def _tokens(pattern: bytes, fixed_length: int) -> tuple[Token, ...]:
    """Read a glob whose first bytes are literal; empty where it can match nothing.

    As in git, those bytes are set aside first, so in `foo**/bar` the stars cross slashes.
    """
    rest = parse_glob(pattern[fixed_length:])
    return () if rest is None else (*pattern[:fixed_length], *rest)


def _is_name(tokens: Sequence[Token]) -> bool:
    return bool(tokens) and not {_SLASH, *_DEEP} & set(tokens)


def _extension(tokens: Sequence[Token]) -> bytes | None:
    ending = literal(tokens[1:]) if tokens[0] is Wild.STAR else None
    return ending if ending is not None and ending.rfind(b".") == 0 else None
