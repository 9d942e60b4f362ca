"""Directories that an approved plan deletes whole, looked at before the first of them goes.

Where versions are kept, a directory is displaced by one rename, with all that it holds at
that moment. A plan made long ago must not take along what came or changed since: such a
directory stays, and what else it holds is displaced one by one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from dirsync.errors import PathError
from dirsync.mirror.expected import check_expected
from dirsync.mirror.unchanged import SourceCheck
from dirsync.model.change import Change, Failure
from dirsync.model.operation import Operation, Phase
from dirsync.plan.plan import Plan
from dirsync.trees.handles import ancestors, split
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree

_CAME = "something appeared in it since the plan was made; left as it is"
_HOLDS = "a directory at the destination holds what must stay there"


class Vetting:
    """Looks at every deletion of a plan, and takes back those that must not be."""

    def __init__(self, plan: Plan, *, source: SourceTree, destination: LocalTree, check: SourceCheck) -> None:
        self._plan = plan
        self._source = source
        self._destination = destination
        self._check = check
        self._going: dict[bytes, Change] = {}  # directories that go whole
        self._expected: dict[bytes, int] = {}  # how many names the plan accounts for in each of these
        self._staying: set[bytes] = set()  # what was taken back, and every directory above it

    def refused(self) -> list[Failure]:
        """Take back what must not be done, and say why."""
        for operation in self._operations():
            change = operation.change
            if change.displaces and change.old is not None and change.old.is_directory:
                self._going[change.path] = change
        failures = [
            failure
            for operation in self._operations()
            if (failure := self._account_for(operation)) is not None
        ]
        failures += self._fuller()
        return failures + self._kept_above()

    def _operations(self) -> Iterator[Operation]:
        for phase in Phase:
            yield from self._plan.operations(phase)

    def _account_for(self, operation: Operation) -> Failure | None:
        """Look at one step that empties a directory; give why it must not be done, or None."""
        change = operation.change
        if change.old is None or not self._going or split(change.old.path)[0] not in self._going:
            return None
        try:
            self._check(self._source, operation)
            there = check_expected(self._destination, self._plan.before(change.old.path), change.old)
        except (FileNotFoundError, NotADirectoryError):  # gone is as good as deleted
            return None
        except PathError as error:
            if operation.phase is Phase.SWEEP:  # it stays, and its directory with it
                return None
            return self._refuse(change, error.reason)
        except OSError as error:
            return self._refuse(change, f"cannot be looked at: {error.strerror}")
        if there:
            parent = split(change.old.path)[0]
            self._expected[parent] = self._expected.get(parent, 0) + 1
        return None

    def _fuller(self) -> list[Failure]:
        """Refuse the directories that hold something which the plan does not account for."""
        failures = []
        for path, change in self._going.items():
            if path in self._staying:  # so it does, and that was told
                continue
            try:
                names = os.listdir(self._destination.handles.handle(self._plan.before(path)))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                failures.append(self._refuse(change, f"cannot be listed: {error.strerror}"))
                continue
            if len(names) > self._expected.get(path, 0):
                failures.append(self._refuse(change, _CAME))
        return failures

    def _refuse(self, change: Change, reason: str) -> Failure:
        self._plan.block(change)
        self._staying.add(change.path)
        self._staying.update(ancestors(change.path))
        return Failure(change.path, reason)

    def _kept_above(self) -> list[Failure]:
        """Take the directories back that hold what stays; of one that is to be replaced, say so."""
        kept = [change for path, change in self._going.items() if path in self._staying]
        news = [change for change in kept if change.new is not None and change.path not in self._plan.blocked]
        for change in kept:
            self._plan.block(change)
        return [Failure(change.path, _HOLDS) for change in news]
