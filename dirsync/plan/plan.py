"""A complete plan: every step, in an order that cannot hurt, and its figures."""

from __future__ import annotations

from collections.abc import Iterator

from dirsync.model.change import Change, Failure
from dirsync.model.operation import BOTTOM_UP, Operation, Phase
from dirsync.model.result import Counts
from dirsync.plan.spill import BATCH, SpillList


class Plan:
    """All the steps of one run, phase by phase.

    Steps are added as the march finds them, a directory before what it holds;
    reading a phase bottom-up gives what a directory holds before the directory.
    """

    def __init__(self, *, folder: str | None = None, batch: int = BATCH) -> None:
        """Keep long phases in files in `folder`."""
        self._phases = {phase: SpillList[Operation](folder=folder, batch=batch) for phase in Phase}
        self.failures = SpillList[Failure](folder=folder, batch=batch)
        self.blocked: set[bytes] = set()  # paths whose step must not be carried out after all
        self.counts = Counts()
        self.growth_bytes = 0  # by how much the destination grows
        self.largest_copy_bytes = 0  # an overwritten file is there twice for a moment
        self.destination_entries = 0

    def add(self, operation: Operation) -> None:
        """Append a step to its phase."""
        self._phases[operation.phase].append(operation)
        if operation.counted:
            self._count(operation.change, 1)

    def operations(self, phase: Phase) -> Iterator[Operation]:
        """Give the steps of a phase in the order they are to be carried out."""
        steps = self._phases[phase]
        for operation in reversed(steps) if phase in BOTTOM_UP else steps:
            if not self.blocked or operation.change.path not in self.blocked:
                yield operation

    def changes(self) -> Iterator[Change]:
        """Give the changes the plan is about, in the order of its phases."""
        for phase in Phase:
            for operation in self.operations(phase):
                if operation.counted:
                    yield operation.change

    def block(self, change: Change) -> None:
        """Take a counted step back."""
        if change.path not in self.blocked:
            self.blocked.add(change.path)
            self._count(change, -1)

    def _count(self, change: Change, one: int) -> None:
        self.counts.count(change, by=one)
        byte_count = change.bytes_to_copy
        if byte_count:
            freed = change.old is not None and change.old.nlink == 1  # other names keep its blocks
            old_bytes = change.old.size if change.old is not None and freed else 0
            self.growth_bytes += one * (byte_count - old_bytes)
            if old_bytes:
                self.largest_copy_bytes = max(self.largest_copy_bytes, byte_count)

    def __len__(self) -> int:
        return sum(map(len, self._phases.values()))

    def close(self) -> None:
        """Give the disk space of a long plan back."""
        self.failures.close()
        for steps in self._phases.values():
            steps.close()
