"""Finding what moved: between the march and the guards, a plan's creations and deletions are paired.

Directories first, from the top down, and each with one that is remembered to be the
same or whose files agree most. The two are marched against each other, as if the
move were done already: that confirms the pair by content, and what differs in it is
planned as usual. Then single files, confirmed by their content. What is left stays a
creation and a deletion.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

from msgspec.structs import replace

from dirsync.compare.rules import CONTENT
from dirsync.errors import PathError
from dirsync.filters import Scope, pattern_lines, root_scope
from dirsync.march.closer_look import CloserLook
from dirsync.march.driver import march_tree
from dirsync.march.found import Context, Directory, Found, Sides
from dirsync.march.march import march
from dirsync.model.change import Aspect, Change, ChangeKind
from dirsync.model.entry import Entry, Kind
from dirsync.model.job import DeletePolicy, MirrorJob
from dirsync.model.links import Identity, identity_of
from dirsync.model.names import shown
from dirsync.model.operation import Operation, Phase
from dirsync.model.stop import Deadline
from dirsync.plan.moves import Alike, Gone, GoneDirectories, Layer, Votes, replanned
from dirsync.plan.plan import Plan
from dirsync.plan.planner import Planner
from dirsync.runner.contents import FileContents
from dirsync.runner.ends import capabilities_at
from dirsync.runner.identities import Identities
from dirsync.runner.rot import RotSieve
from dirsync.runner.trial import Trial
from dirsync.trees.handles import ancestors, join, split
from dirsync.trees.local import LocalTree, open_tree
from dirsync.trees.source import SourceTree

logger = logging.getLogger(__name__)


def find_moves(
    job: MirrorJob,
    plan: Plan,
    context: Context,
    identities: Identities,
    *,
    sieve: RotSieve,
    deadline: Deadline,
    folder: str,
) -> Plan:
    """Give a plan in which what moved is moved; the same plan if nothing did.

    `sieve` sees what differs in a directory that moved. Long plans are kept in `folder`.

    Raises:
        Cancelled: the deadline passed.
        RunError: what is remembered cannot be read.
        OSError: a root is gone.
    """
    trusts_ctimes = context.rules.hash is None and capabilities_at(job.source).mtime_resolution_ns == 1
    with open_tree(job.source) as source, open_tree(job.destination) as destination:
        contents = FileContents(
            source,
            destination,
            algorithm=job.comparison.algorithm,
            identities=identities if identities.are_of_these_places() else None,
            trusts_ctimes=trusts_ctimes,
            deadline=deadline,
        )
        moves = Moves(
            job,
            context,
            contents,
            source=source,
            destination=destination,
            sieve=sieve,
            deadline=deadline,
            folder=folder,
        )
        return moves.paired(plan)


class Moves:
    """Pairs the creations and deletions of one plan."""

    def __init__(
        self,
        job: MirrorJob,
        context: Context,
        contents: FileContents,
        *,
        source: SourceTree,
        destination: LocalTree,
        sieve: RotSieve,
        deadline: Deadline,
        folder: str,
    ) -> None:
        """Work on the plan of a job; long plans are kept in `folder`."""
        self._job = job
        self._context = context
        self._contents = contents
        self._source = source
        self._destination = destination
        self._sieve = sieve
        self._deadline = deadline
        self._folder = folder
        self._moves = self._new_plan()
        self._layers: list[Layer] = []
        self._gone = GoneDirectories()
        self._votes: Votes | None = None  # None: nobody asked yet
        self._taken: list[bytes] = []  # where the directories that move are before the run
        self._in_use: set[Identity] | None = None  # None: nobody asked yet
        self._closer_look = CloserLook(
            source,
            destination,
            rules=context.rules,
            reads_disk=False,
            found=Found(),
            check=deadline.check,
        )

    def _new_plan(self) -> Plan:
        return Plan(folder=self._folder, keeps_versions=self._job.delete is DeletePolicy.TRASH)

    def paired(self, plan: Plan) -> Plan:
        """Give a plan in which what moved is moved; the same plan if nothing did."""
        first = Layer(plan)
        self._layers = [first]
        self._gone.add(first)
        if self._gone:
            self._pair_directories(first)
        self._pair_files()
        if not self._moves.counts.moved:
            return plan
        logger.info("moves: %d found", self._moves.counts.moved)
        return replanned(self._layers, self._moves)

    # Directories

    def _pair_directories(self, first: Layer) -> None:
        """Go through what is to be created, top-down, into each directory that moves as it is found."""
        waiting = [(first, first.plan.operations(Phase.MAKE_DIRECTORIES))]
        while waiting:
            layer, operations = waiting[-1]
            operation = next(operations, None)
            if operation is None:
                waiting.pop()
            elif layer.still_made(operation.change.path):
                found = self._pair_directory(layer, operation.change)
                if found is not None:
                    waiting.append((found, found.plan.operations(Phase.MAKE_DIRECTORIES)))
                elif layer is not first:
                    self._moves.add(operation._replace(phase=Phase.MOVE))

    def _pair_directory(self, layer: Layer, change: Change) -> Layer | None:
        """Find where a directory to be created is now, and plan its move; None: nowhere."""
        if change.kind is not ChangeKind.CREATED or not change.selected:
            return None
        self._deadline.check()
        for gone in self._candidates(change.entry):
            if self._may_move(change.entry, gone):
                found = self._marched(change.entry, gone)
                if found is not None:
                    layer.take_to(change.path)
                    return found
        return None

    def _candidates(self, new: Entry) -> Iterator[Gone]:
        """Give the directory that is remembered to be the same, then the one whose files agree most."""
        remembered = self._contents.remembered(new)
        gone = None if remembered is None else self._gone.find(remembered)
        if gone is not None:
            yield gone
        alike = self._most_alike(new)
        if alike is not None and alike != gone:
            yield alike

    def _most_alike(self, new: Entry) -> Gone | None:
        """Give the directory whose files agree most; found out for all when the first is asked about."""
        if self._votes is None:
            resolution_ns = self._context.rules.mtime_resolution_ns
            self._votes = Votes(self._layers, self._gone, mtime_resolution_ns=resolution_ns)
        best = self._votes.best(new.path)
        return None if best is None else self._gone.find(best)

    def _may_move(self, new: Entry, gone: Gone) -> bool:
        """Whether a rename can do it: not across file systems, on neither side."""
        if self._context.source_device not in (None, new.dev):
            return False
        mounts = self._context.destination_mounts
        if mounts and _mount_of(new.path, mounts) != _mount_of(gone.at_destination, mounts):
            return False
        return self._device_at(split(new.path)[0]) == gone.entry.dev

    def _device_at(self, path: bytes) -> int:
        """Give the device that a directory of the destination is on, or will be."""
        while path:
            try:
                return self._destination.directory(path).dev
            except OSError:  # not there yet
                path = split(path)[0]
        return self._destination.directory(path).dev

    def _marched(self, new: Entry, gone: Gone) -> Layer | None:
        """March a directory against another's place at the destination; None: they are not the same."""
        there = gone.at_destination
        scope = self._scope_of(new.path)
        if scope is None:
            return None
        taken = frozenset(path for path in self._taken if path.startswith(there + b"/"))
        planner = Planner(self._new_plan(), delete=self._job.delete, hard_links=self._context.hard_links)
        trial = Trial(new, gone.entry, planner)
        workers = 1 if self._contents.knows_some else self._job.workers
        root = Directory(new.path, Sides.BOTH, scope, destination_path=there)
        pair_march = partial(march, self._confirming(taken))
        for found in march_tree(pair_march, [root], workers=workers, check=self._deadline.check):
            self._sieve.sift(found, before=lambda path: there + path[len(new.path) :])
            if not trial.goes_on(found):
                break
        plan = trial.plan()
        if trial.is_same(taken=len(taken), remembered=self._contents.remembered(new) == there):
            return self._accept(trial.move(self._context), gone, plan)
        plan.close()
        return None

    def _confirming(self, taken: frozenset[bytes]) -> Context:
        """Give the context of a march that compares content, where it is not known."""
        return replace(
            self._context,
            taken=taken,
            confirming=self._job.comparison.algorithm,
            is_known=self._contents.is_known if self._contents.knows_some else None,
        )

    def _accept(self, change: Change, gone: Gone, plan: Plan) -> Layer:
        """Plan a move, and what makes way within it."""
        there = gone.at_destination
        gone.layer.take_from(gone.entry.path)
        self._taken.append(there)
        self._moves.add(Operation(Phase.MOVE, change))
        for operation in plan.operations(Phase.MAKE_WAY):
            self._moves.add(operation._replace(phase=Phase.MOVE))
        layer = Layer(plan, path=change.path, destination_path=there)
        self._layers.append(layer)
        self._gone.add(layer)
        return layer

    def _scope_of(self, path: bytes) -> Scope | None:
        """Give the filter rules for what is in a directory; None: an ignore file cannot be read."""
        scope = root_scope(self._job)
        where = b""
        try:
            for name in path.split(b"/"):
                scope = self._with_ignore_files(scope, where).enter(name)
                where = join(where, name)
        except OSError:
            return None
        return scope

    def _with_ignore_files(self, scope: Scope, directory: bytes) -> Scope:
        for name in scope.ignore_files:
            path = join(directory, name)
            entry = self._source.entry(path)
            if entry is not None and entry.kind is Kind.FILE:
                scope = scope.with_ignore_file(pattern_lines(self._source.read_file(path), file=shown(path)))
        return scope

    # Files

    def _pair_files(self) -> None:
        wanted = {self._key(change.entry) for _, change in self._created_files()}
        groups: dict[tuple[int, int], Alike] = {}
        for layer in self._layers if wanted else ():
            for gone in layer.deleted():
                if gone.entry.kind is Kind.FILE and self._key(gone.entry) in wanted:
                    groups.setdefault(self._key(gone.entry), Alike()).add(gone)
        for layer, change in self._created_files() if groups else ():
            alike = groups.get(self._key(change.entry))
            if alike is not None:
                self._deadline.check()
                self._pair_file(layer, change.entry, alike)

    def _created_files(self) -> Iterator[tuple[Layer, Change]]:
        for layer in self._layers:
            for change in layer.created(Phase.COPY):
                if change.entry.kind is Kind.FILE:
                    yield layer, change

    def _key(self, entry: Entry) -> tuple[int, int]:
        return entry.size, entry.mtime_ns // self._context.rules.mtime_resolution_ns

    def _pair_file(self, layer: Layer, new: Entry, alike: Alike) -> None:
        gone = alike.take(new, self._contents, suits=self._suits)
        if gone is None:
            return
        layer.take_to(new.path)
        gone.layer.take_from(gone.entry.path)
        self._objects_in_use().add(identity_of(gone.entry))
        aspects = self._aspects(new, gone)
        self._moves.add(Operation(Phase.MOVE, Change(ChangeKind.MOVED, gone.entry, new, aspects)))

    def _suits(self, new: Entry, gone: Gone) -> bool:
        """Whether a file can be what another was, its metadata set where no other name shows it.

        With hard links, one whose other name belongs to another file of the source is none.
        """
        aspects = self._aspects(new, gone)
        if aspects & CONTENT or (aspects and gone.entry.nlink > 1):
            return False
        if self._context.hard_links and identity_of(gone.entry) in self._objects_in_use():
            return False
        return self._may_move(new, gone)

    def _aspects(self, new: Entry, gone: Gone) -> frozenset[Aspect]:
        """Tell in what two files differ; where attributes are compared, what cannot be read differs."""
        aspects = self._context.rules.aspects(new, gone.entry)
        try:
            return self._closer_look.with_attributes(new.path, gone.at_destination, aspects)
        except PathError:  # setting them tells what is wrong
            return frozenset({Aspect.XATTRS})

    def _objects_in_use(self) -> set[Identity]:
        """Name the objects of the destination that have a name which stays, or were paired."""
        if self._in_use is None:
            self._in_use = {
                linked.destination
                for layer in self._layers
                for linked in layer.plan.linked
                if linked.destination is not None and layer.still_made(linked.path)
            }
        return self._in_use


def _mount_of(path: bytes, mounts: frozenset[bytes]) -> bytes:
    """Name the mount point beneath the root that a path is on; the root's own is empty."""
    return next((parent for parent in [path, *ancestors(path)] if parent in mounts), b"")
