"""Directories listed for another end, each again while it changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from dirsync.answers.selecting import scope_beneath, scope_of_top
from dirsync.filters import Verdict
from dirsync.model.listing import WIDTHS, Listing
from dirsync.scan.chosen import list_directory
from dirsync.trees.handles import join
from dirsync.trees.local import LocalTree
from dirsync.wire import frames
from dirsync.wire.asks import MOST_ROWS, ROWS_A_MESSAGE, AskListings, Listed, Unseen
from dirsync.wire.beliefs import unseen_of

_ATTEMPTS_WHILE_IT_CHANGES = 3
_ROWS_A_FRAME = 2_000  # of small directories together


class ListingAnswers:
    """Lists the directories of one tree."""

    def __init__(self, tree: LocalTree, *, check: Callable[[], None]) -> None:
        self._tree = tree
        self._check = check

    def answered(self, ask: AskListings) -> Iterator[bytes]:
        """Give the frames that answer one question."""
        batch: list[Listed | Unseen] = []
        rows = 0
        for listed in self._beneath(ask) if ask.beneath else self._each(ask.paths):
            batch.append(listed)
            rows += _rows(listed)
            if rows >= _ROWS_A_FRAME or len(batch) >= _ROWS_A_FRAME:
                yield frames.messages(*batch)
                batch, rows = [], 0
        if batch:
            yield frames.messages(*batch)

    def _each(self, paths: list[bytes]) -> Iterator[Listed | Unseen]:
        for path in paths:
            self._check()
            try:
                listing = self._listing(path)
            except OSError as error:
                yield unseen_of(path, error)
            else:
                yield from parts_of(path, listing)

    def _beneath(self, ask: AskListings) -> Iterator[Listed | Unseen]:
        """List directories and what is selected beneath, in depth-first order, until it is enough."""
        top = scope_of_top(ask.selecting)
        left = [(path, scope_beneath(path, top)) for path in reversed(ask.paths)]
        rows = 0
        while left and rows < MOST_ROWS:
            path, scope = left.pop()
            self._check()
            try:
                listing = self._listing(path)
            except OSError as error:
                yield unseen_of(path, error)
                continue
            rows += listing.entry_count + 1
            yield from parts_of(path, listing)
            left += [
                (join(path, name), scope if scope.trivial else scope.enter(name))
                for name in reversed(listing.directories())
                if scope.trivial or scope.verdict(name, is_directory=True) is not Verdict.EXCLUDED
            ]

    def _listing(self, path: bytes) -> Listing:
        """List a directory; again while it changes, so that no name is missed that was there all the time."""
        for _ in range(_ATTEMPTS_WHILE_IT_CHANGES):
            fd = self._tree.handles.handle(path)
            before_ns = os.fstat(fd).st_ctime_ns
            listing = list_directory(fd)
            if os.fstat(fd).st_ctime_ns == before_ns:
                break
        return listing


def _rows(listed: Listed | Unseen) -> int:
    return len(listed.columns[1]) // 4 if isinstance(listed, Listed) else 1


def parts_of(path: bytes, listing: Listing) -> Iterator[Listed]:
    """Give a listing as messages; a long one in parts."""
    unknown = [(name, reason) for name, reason in listing.unknown]
    columns = listing[:-1]
    if listing.entry_count <= ROWS_A_MESSAGE:
        yield Listed(path=path, columns=list(columns), unknown=unknown)
        return
    names = listing.name_list()
    targets = list(listing.target_of_each())
    for start in range(0, len(names), ROWS_A_MESSAGE):
        rows = slice(start, start + ROWS_A_MESSAGE)
        fixed = [
            column[start * width : (start + ROWS_A_MESSAGE) * width]
            for column, width in zip(columns[1:-1], WIDTHS, strict=True)
        ]
        links = b"\0".join(target for target in targets[rows] if target is not None)
        last = start + ROWS_A_MESSAGE >= len(names)
        yield Listed(
            path=path,
            columns=[b"\0".join(names[rows]), *fixed, links],
            unknown=unknown if last else [],
            more=not last,
        )
