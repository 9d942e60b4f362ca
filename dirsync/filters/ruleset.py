"""All rules of one list, combined so that a few look-ups find the last one that matches.

Plain names and plain `*.ext` are found in dictionaries, all other slash-less patterns
by one regex over the name; only patterns with a slash see the path, and only in
directories where they can match.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from dirsync.filters.rule import Rule, parse_rule

_NO_MATCH = -1
_KEPT_COMPILED = 1024  # lists kept compiled in one process: a job's own and its ignore files'

Numbered = tuple[int, Rule]


class Alternation(Struct, frozen=True, kw_only=True):
    """Several regexes as one; of those that match, the rule latest in its list is found."""

    fullmatch: Callable[[bytes], re.Match[bytes] | None]
    indices: tuple[int, ...]  # by group number; group 0 is nobody's


class Matcher(Struct, frozen=True, kw_only=True):
    """The rules that can match one kind of child of one directory."""

    literals: Mapping[bytes, int]  # a name: the last rule that asks for it
    extensions: Mapping[bytes, int]  # a name from its last dot on, the same
    names: Alternation | None
    paths: Alternation | None = None
    directory: bytes = b""  # what `paths` sees before the name

    def find(self, name: bytes) -> int:
        """Give the index of the last rule that matches; negative: none does."""
        found = self.literals.get(name, _NO_MATCH)
        if self.extensions:
            found = max(found, self.extensions.get(name[name.rfind(b".") :], _NO_MATCH))
        for alternation, text in ((self.names, name), (self.paths, self.directory + name)):
            if alternation is not None and (match := alternation.fullmatch(text)) is not None:
                assert match.lastindex is not None
                found = max(found, alternation.indices[match.lastindex])
        return found


class RuleSet(Struct, frozen=True, kw_only=True):
    """One list's rules; an index is a line's position in the list."""

    negated: tuple[bool, ...]  # by index
    directories: Matcher  # rules without a slash, for directories
    others: Matcher
    anchored: tuple[Numbered, ...]
    has_names: bool  # whether there are rules without a slash


@functools.lru_cache(maxsize=_KEPT_COMPILED)
def rule_set(texts: tuple[bytes, ...]) -> RuleSet:
    """Compile the patterns of one list; the same list is compiled once a process."""
    parsed = [parse_rule(text) for text in texts]
    rules = [(index, rule) for index, rule in enumerate(parsed) if rule is not None]
    names = [(index, rule) for index, rule in rules if not rule.anchored]
    return RuleSet(
        negated=tuple(rule is not None and rule.negated for rule in parsed),
        directories=_name_matcher(names),
        others=_name_matcher(for_others(names)),
        anchored=tuple((index, rule) for index, rule in rules if rule.anchored),
        has_names=bool(names),
    )


def for_others(rules: Iterable[Numbered]) -> tuple[Numbered, ...]:
    """Keep the rules that can match what is no directory."""
    return tuple((index, rule) for index, rule in rules if not rule.directory_only)


def matcher_in(directory: bytes, *, names: Matcher, anchored: Sequence[Numbered]) -> Matcher:
    """Add to the rules without a slash those with one that can match in a directory."""
    literals: dict[bytes, int] = {}
    globs: list[Numbered] = []
    for index, rule in anchored:
        if not rule.can_match_in(directory):
            continue
        if rule.literal is None:
            globs.append((index, rule))
        elif rule.literal.startswith(directory):
            literals[rule.literal[len(directory) :]] = index
    if not literals and not globs:
        return names
    merged = {name: max(index, names.literals.get(name, _NO_MATCH)) for name, index in literals.items()}
    return Matcher(
        literals={**names.literals, **merged},
        extensions=names.extensions,
        names=names.names,
        paths=_alternation(globs),
        directory=directory,
    )


def _name_matcher(rules: Iterable[Numbered]) -> Matcher:
    literals: dict[bytes, int] = {}
    extensions: dict[bytes, int] = {}
    globs: list[Numbered] = []
    for index, rule in rules:
        if rule.literal is not None:
            literals[rule.literal] = index
        elif rule.extension is not None:
            extensions[rule.extension] = index
        else:
            globs.append((index, rule))
    return Matcher(literals=literals, extensions=extensions, names=_alternation(globs))


def _alternation(rules: Sequence[Numbered]) -> Alternation | None:
    if not rules:
        return None
    latest_first = rules[::-1]
    regexes = tuple(rule.regex for _, rule in latest_first)
    return Alternation(
        fullmatch=_compiled(regexes).fullmatch, indices=(_NO_MATCH, *(i for i, _ in latest_first))
    )


@functools.lru_cache(maxsize=_KEPT_COMPILED)
def _compiled(regexes: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"(%b)" % regex for regex in regexes), re.DOTALL)
