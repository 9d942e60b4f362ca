"""What applies to the children of one directory."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from dirsync.filters.layer import Layer, layer_of
from dirsync.filters.lines import pattern_text
from dirsync.model.job import Job, PatternLine


class Verdict(enum.Enum):
    """What a walk does with a path."""

    SELECTED = "selected"  # copy it; a directory: enter it
    PASSED = "passed"  # a directory that no include line matches: enter it for what may be beneath
    EXCLUDED = "excluded"  # leave it alone; a directory: do not enter it


_SELECTED, _PASSED, _EXCLUDED = Verdict.SELECTED, Verdict.PASSED, Verdict.EXCLUDED


class Scope(Struct, frozen=True, kw_only=True, eq=False):
    """What applies to the children of one directory; immutable, and cheap to pickle in batches."""

    excludes: tuple[Layer, ...]  # the first with a say decides: the nearest ignore file, the job's list last
    include: Layer | None  # None: no include line can match here or beneath
    include_all: bool  # no include list, or it matched this directory or one above
    ignore_files: tuple[bytes, ...]  # names of nested ignore files that are honoured

    @property
    def trivial(self) -> bool:
        """Whether everything here and beneath is selected, as long as no ignore file comes."""
        return self.include_all and not self.excludes

    def verdict(self, name: bytes, *, is_directory: bool) -> Verdict:
        """Say what a walk does with a child; a symlink to a directory is no directory."""
        for layer in self.excludes:
            found = (layer.directories if is_directory else layer.others).find(name)
            if found >= 0:
                if not layer.rules.negated[found]:
                    return _EXCLUDED
                break
        if self.include_all or self._includes(name, is_directory=is_directory):
            return _SELECTED
        return _PASSED if is_directory else _EXCLUDED

    def enter(self, name: bytes) -> Scope:
        """Give the scope of a child directory that is not excluded."""
        if self.trivial:
            return self
        include_all = self.include_all or self._includes(name, is_directory=True)
        include = None if include_all or self.include is None else self.include.enter(name)
        entered = [layer.enter(name) for layer in self.excludes]
        excludes = tuple(layer for layer in entered if layer is not None)
        if (excludes, include, include_all) == (self.excludes, self.include, self.include_all):
            return self
        return replace(self, excludes=excludes, include=include, include_all=include_all)

    def with_ignore_file(self, lines: Sequence[PatternLine]) -> Scope:
        """Give the scope of the same directory with an ignore file found in it.

        Of several in one directory, the one added last has the first say.
        """
        layer = layer_of(lines)
        return self if layer is None else replace(self, excludes=(layer, *self.excludes))

    def deciding_exclude(self, name: bytes, *, is_directory: bool) -> PatternLine | None:
        """Give the line that excludes a child or keeps it from being excluded, if any does."""
        for layer in self.excludes:
            found = layer.find(name, is_directory=is_directory)
            if found >= 0:
                return layer.lines[found]
        return None

    def deciding_include(self, name: bytes, *, is_directory: bool) -> PatternLine | None:
        """Give the include line that includes a child or takes that back, if any does."""
        if self.include is None:
            return None
        found = self.include.find(name, is_directory=is_directory)
        return self.include.lines[found] if found >= 0 else None

    def _includes(self, name: bytes, *, is_directory: bool) -> bool:
        return self.include is not None and self.include.matches(name, is_directory=is_directory)


def scope_of(
    *, include: Sequence[PatternLine], exclude: Sequence[PatternLine], ignore_files: Sequence[bytes] = ()
) -> Scope:
    """Give the scope of a root directory. An include list of blanks and comments is no list."""
    excluding = layer_of(exclude)
    return Scope(
        excludes=() if excluding is None else (excluding,),
        include=layer_of(include),
        include_all=not any(pattern_text(line.text) for line in include),
        ignore_files=tuple(ignore_files),
    )


def root_scope(job: Job) -> Scope:
    """Give the filter rules that hold for what is directly in the roots."""
    return scope_of(include=job.include, exclude=job.exclude, ignore_files=job.ignore_files)
