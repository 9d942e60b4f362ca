"""One list of patterns, seen from one directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from dirsync.filters.ruleset import Matcher, Numbered, RuleSet, for_others, matcher_in, rule_set
from dirsync.model.job import PatternLine


class Layer(Struct, frozen=True, kw_only=True, eq=False):
    """One list's rules for the children of one directory.

    A list without rules that look at the path is the same layer in every directory.
    Pickled as its lines and its directory; compiled once in the process it arrives in.
    """

    lines: tuple[PatternLine, ...]
    rules: RuleSet
    directory: bytes  # from the list's base down; ends with "/", or is empty
    alive: tuple[Numbered, ...]  # rules that look at the path and can still match here or beneath
    directories: Matcher
    others: Matcher

    def find(self, name: bytes, *, is_directory: bool) -> int:
        """Give the index of the line that decides about a child; negative: none does."""
        return (self.directories if is_directory else self.others).find(name)

    def matches(self, name: bytes, *, is_directory: bool) -> bool:
        """Whether a line matches a child and no later line takes that back."""
        found = self.find(name, is_directory=is_directory)
        return found >= 0 and not self.rules.negated[found]

    def enter(self, name: bytes) -> Layer | None:
        """Give the same list's layer for a child directory; None: no rule can match there."""
        if not self.alive:
            return self
        directory = b"%b%b/" % (self.directory, name)
        return _layer(self.lines, rules=self.rules, directory=directory, anchored=self.alive)

    def __reduce__(self) -> tuple[Callable[..., Layer | None], tuple[tuple[PatternLine, ...], bytes]]:
        return layer_of, (self.lines, self.directory)


def layer_of(lines: Sequence[PatternLine], directory: bytes = b"") -> Layer | None:
    """Give a list's layer for a directory, by default its base; None: no rule can match there."""
    rules = rule_set(tuple(line.text for line in lines))
    return _layer(tuple(lines), rules=rules, directory=directory, anchored=rules.anchored)


def _layer(
    lines: tuple[PatternLine, ...], *, rules: RuleSet, directory: bytes, anchored: Sequence[Numbered]
) -> Layer | None:
    alive = tuple((index, rule) for index, rule in anchored if rule.can_match_beneath(directory))
    if not alive and not rules.has_names:
        return None
    return Layer(
        lines=lines,
        rules=rules,
        directory=directory,
        alive=alive,
        directories=matcher_in(directory, names=rules.directories, anchored=alive),
        others=matcher_in(directory, names=rules.others, anchored=for_others(alive)),
    )
