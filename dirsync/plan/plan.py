"""A complete plan: every step, in an order that cannot hurt, and its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from dirsync.model.change import Change, ChangeKind, Failure
from dirsync.model.links import Linked
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import BOTTOM_UP, Operation, Phase
from dirsync.model.result import Counts
from dirsync.plan.packing import CHANGES, STEPS, Step
from dirsync.plan.spill import BATCH, SpillList
from dirsync.trees.handles import ancestors


class Plan:
    """All the steps of one run, phase by phase.

    Steps are added as the march finds them, a directory before what it holds;
    reading a phase bottom-up gives what a directory holds before the directory.
    """

    def __init__(
        self, *, folder: str | None = None, batch: int = BATCH, keeps_versions: bool = False
    ) -> None:
        """Keep long phases in files in `folder`.

        `keeps_versions`: what is displaced stays on the destination's disk, directories
        whole, so a directory is deleted before what it holds.
        """
        self.keeps_versions = keeps_versions
        self._phases = {phase: SpillList[Step](folder=folder, batch=batch, packing=STEPS) for phase in Phase}
        self._held = SpillList[Change](folder=folder, batch=batch, packing=CHANGES)
        self.linked: list[Linked] = []  # what is known of files with several names, until that is decided on
        self.failures = SpillList[Failure](folder=folder, batch=batch)
        self.blocked: set[bytes] = set()  # paths whose step must not be carried out after all
        self.holding_kept: set[bytes] = (
            set()
        )  # paths of the destination that stay or hold something that does
        self.moved_from: dict[bytes, bytes] = {}  # by its new path, where what is moved was before the run
        self.counts = Counts()
        self.growth_bytes = 0  # by how much the destination grows
        self.largest_copy_bytes = 0  # an overwritten file is there twice for a moment
        self.destination_entries = 0

    def add(self, operation: Operation) -> None:
        """Append a step to its phase."""
        self._phases[operation.phase].append(operation)
        change = operation.change
        if change.kind is ChangeKind.MOVED and change.old is not None:
            self.moved_from[change.path] = self.before(change.old.path)
        if operation.counted:
            self._count(operation.change, 1)

    def add_new_files(self, files: NewFiles) -> None:
        """Append the copies of files that the destination does not have."""
        byte_count, entry_count = files.byte_count, files.entry_count
        for piece in files.cut([*range(BATCH, entry_count, BATCH), entry_count]):
            self._phases[Phase.COPY].append(piece, weight=piece.entry_count)
        self.counts.created += entry_count
        self.counts.bytes_copied += byte_count
        self.growth_bytes += byte_count

    def hold(self, change: Change) -> None:
        """Append a change whose step is decided on when the other names of its file are known."""
        self._held.append(change)
        largest = self.largest_copy_bytes
        self._count(change, 1)
        self.largest_copy_bytes = largest  # it may come to be linked

    def held(self) -> Iterator[Change]:
        """Give the changes that wait for a decision."""
        return (change for change in self._held if change.path not in self.blocked)

    def released(self) -> Iterator[Change]:
        """Give the changes that waited, each once it counts no more; read them to the end."""
        held, self._held = self._held, SpillList[Change](packing=CHANGES)
        for change in held:
            if change.path not in self.blocked:
                self._count(change, -1)
                yield change
        held.close()

    def operations(self, phase: Phase) -> Iterator[Operation]:
        """Give the steps of a phase in the order they are to be carried out."""
        steps = self._phases[phase]
        top_down = phase not in BOTTOM_UP or (phase is Phase.DELETE and self.keeps_versions)
        for operation in one_by_one(steps if top_down else reversed(steps)):
            if not self.blocked or operation.change.path not in self.blocked:
                yield operation

    def copies(self) -> Iterator[Step]:
        """Give the steps of the phase that copies, those together that were added together."""
        if self.blocked:
            yield from self.operations(Phase.COPY)
        else:
            yield from self._phases[Phase.COPY]

    def before(self, path: bytes) -> bytes:
        """Give where the object is before the run that is to be at a path when the moves are done."""
        for parent in chain([path], ancestors(path)) if self.moved_from else ():
            if parent in self.moved_from:
                return self.moved_from[parent] + path[len(parent) :]
        return path

    def take_over(self, other: Plan, phase: Phase, *, where: Callable[[bytes], bool]) -> None:
        """Append another plan's steps of a phase, those at wanted paths."""
        for operation in one_by_one(other._phases[phase]):
            path = operation.change.path
            if path not in other.blocked and where(path):
                self.add(operation)

    def take_over_links(self, other: Plan, *, where: Callable[[bytes], bool]) -> None:
        """Hold another plan's changes that wait for a decision, and what is known of such files."""
        for change in other.held():
            if where(change.path):
                self.hold(change)
        self.linked += [
            linked for linked in other.linked if linked.path not in other.blocked and where(linked.path)
        ]

    def steps(self) -> Iterator[Operation]:
        """Give every step that was not taken back, phase by phase, as they were added.

        Adding them to another plan in this order makes it the same.
        """
        for steps in self._phases.values():
            for operation in one_by_one(steps):
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
            freed = not self.keeps_versions and change.old is not None and change.old.nlink == 1
            old_bytes = change.old.size if change.old is not None and freed else 0
            self.growth_bytes += one * (byte_count - old_bytes)
            if old_bytes:
                self.largest_copy_bytes = max(self.largest_copy_bytes, byte_count)

    def __len__(self) -> int:
        return sum(map(len, self._phases.values()))

    def close(self) -> None:
        """Give the disk space of a long plan back."""
        self.failures.close()
        self._held.close()
        for steps in self._phases.values():
            steps.close()


def one_by_one(steps: Iterable[Step]) -> Iterator[Operation]:
    """Give each step by itself."""
    for step in steps:
        if isinstance(step, NewFiles):
            yield from step.operations()
        else:
            yield step
