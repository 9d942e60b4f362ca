"""One pattern, parsed: what it says and where it can apply."""

from __future__ import annotations

from dataclasses import dataclass

from dirsync.filters.glob import Token, Wild, literal_length, parse_glob
from dirsync.filters.lines import pattern_text

_SLASH = ord("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One pattern of a list.

    `tokens` match the whole name, or if `anchored` the whole path below the list's base.
    """

    negated: bool
    directory_only: bool
    anchored: bool
    tokens: tuple[Token, ...]
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
    if b"/" in pattern:
        return _anchored(pattern.removeprefix(b"/"), negated=negated, directory_only=directory_only)
    tokens = parse_glob(pattern)
    if not tokens:
        return None
    return Rule(negated=negated, directory_only=directory_only, anchored=False, tokens=tokens)


def _anchored(pattern: bytes, *, negated: bool, directory_only: bool) -> Rule | None:
    """Read a pattern that has a slash.

    As in git, the text before the first wildcard is set aside first, so in `foo**/bar`
    the stars cross slashes.
    """
    fixed_length = literal_length(pattern)
    rest = parse_glob(pattern[fixed_length:])
    tokens = (*pattern[:fixed_length], *rest) if rest is not None else ()
    if not tokens:
        return None
    if tokens[0] is Wild.DIRECTORIES and _is_name(tokens[1:]):
        return Rule(negated=negated, directory_only=directory_only, anchored=False, tokens=tokens[1:])
    deep = Wild.DIRECTORIES in tokens or Wild.ANYTHING in tokens
    return Rule(
        negated=negated,
        directory_only=directory_only,
        anchored=True,
        tokens=tokens,
        fixed=pattern[: pattern.rfind(b"/", 0, fixed_length) + 1],
        depth=None if deep else tokens.count(_SLASH),
    )


def _is_name(tokens: tuple[Token, ...]) -> bool:
    return bool(tokens) and not {_SLASH, Wild.DIRECTORIES, Wild.ANYTHING} & set(tokens)
