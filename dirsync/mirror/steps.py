"""Carrying out one operation; whatever goes wrong concerns its path alone."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

from dirsync.errors import PathError, TransientError
from dirsync.mirror.altering import Alterer
from dirsync.mirror.attributes import AttributeCarrier
from dirsync.mirror.dressing import Dresser
from dirsync.mirror.expected import check_expected
from dirsync.mirror.files import Copied, FileCopier, Staged
from dirsync.mirror.finishing import Finisher
from dirsync.mirror.linking import Leaders, Linker
from dirsync.mirror.lost import Lost
from dirsync.mirror.moving import Mover
from dirsync.mirror.placing import drop, place, remover_of
from dirsync.mirror.salvage import Salvage
from dirsync.mirror.settings import Settings
from dirsync.mirror.small import SmallCopier
from dirsync.mirror.together import Way
from dirsync.mirror.trash import Trash
from dirsync.model.change import Change, ChangeKind, Failure
from dirsync.model.entry import Entry, Kind
from dirsync.model.links import identity_of
from dirsync.model.names import shown
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation, Phase
from dirsync.model.place import LocalPlace
from dirsync.model.stop import Deadline
from dirsync.trees import fsops
from dirsync.trees.data import Told
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree, open_tree
from dirsync.trees.source import FileAhead, SourceTree

T = TypeVar("T")

_TRANSIENT = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.ETXTBSY, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE}
)
_OWNER_WRITES = stat.S_IWUSR | stat.S_IXUSR


class Steps:
    """Carries out operations between two trees; for one thread."""

    def __init__(
        self,
        open_source: Callable[[], SourceTree],
        destination: LocalPlace,
        *,
        settings: Settings,
        deadline: Deadline,
        told: Told,
        opened_up: dict[bytes, int],
        lost: Lost,
        leaders: Leaders,
    ) -> None:
        """Open both trees; `opened_up` collects directories made writable, with the mode each had.

        `lost` collects what the destination cannot keep, `leaders` the files to link to.

        Raises:
            OSError: one of the roots is not there.
        """
        self._settings = settings
        self._opened_up = opened_up
        self._deadline = deadline
        self.source = open_source()
        self.destination = open_tree(destination)
        carrier = AttributeCarrier(carried=settings.attributes, settable=settings.kept.attributes, lost=lost)
        self._trash = (
            None
            if settings.version_area is None
            else Trash(self.destination, settings.version_area, carrier=carrier, told=told)
        )
        self.salvage = None if isinstance(self.source, LocalTree) else Salvage(self.destination)
        self._files = FileCopier(
            self.source,
            self.destination,
            settings=settings,
            carrier=carrier,
            trash=self._trash,
            salvage=self.salvage,
            told=told,
            sleep=deadline.sleep,
        )
        self.small = SmallCopier(self.source, self.destination, settings=settings, leaders=leaders)
        alterer = Alterer(self.source, self.destination, settings=settings)
        self.ways: tuple[Way, ...] = (self.small, alterer)
        self.told = told
        self._leaders = leaders
        self._linker = Linker(
            self.source,
            self.destination,
            files=self._files,
            trash=self._trash,
            settings=settings,
            leaders=leaders,
            lost=lost,
        )
        self._dresser = Dresser(self.source, self.destination, settings=settings, carrier=carrier)
        self._finisher = Finisher(
            self.source, self.destination, settings=settings, carrier=carrier, opened_up=opened_up
        )
        self._mover = Mover(self.destination, opened_up=opened_up, set_metadata=self._dresser.dress)

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.source.close()
        self.destination.close()

    def foresee(self, together: Sequence[NewFiles], operations: Sequence[Operation]) -> None:
        """Tell the source what will be asked of it, so that a far one need not be asked step by step."""
        if isinstance(self.source, LocalTree):  # which has no use for it
            return
        files: list[FileAhead] = []
        dressed: list[bytes] = []
        for operation in operations:
            change = operation.change
            new = change.new
            if new is not None and stat.S_ISREG(new.mode) and not change.is_in_place:
                files.append(FileAhead(new.path, new.size))
            elif new is not None:
                dressed.append(new.path)
        self.source.foresee(
            together=together, files=files, attributes=dressed if self._settings.attributes else ()
        )

    def done_together(self, operations: Sequence[Operation]) -> list[bool]:
        """Carry out steps of one phase as far as that goes together; of each, whether it is done."""
        changes = [operation.change for operation in operations]
        match operations[0].phase:
            case Phase.LINK:
                return self._linker.link_together(changes)
            case Phase.FINISH_DIRECTORIES:
                return self._finisher.finish_together(changes)
        return [False] * len(operations)

    def attempt(self, operation: Operation) -> Failure | None:
        """Carry out one operation, with retries; None: it is done.

        Raises:
            Cancelled: the deadline passed; the file at hand is as it was.
        """
        return self._tried(operation, lambda: self._carry_out(operation))

    def stages(self, operation: Operation) -> bool:
        """Whether an operation writes data that must be durable before it gets its name."""
        change = operation.change
        return self._settings.durable and change.entry.kind is Kind.FILE and not change.is_in_place

    def stage(self, operation: Operation) -> Staged | Failure:
        """Copy the file of an operation to its temporary name, with retries.

        Raises:
            Cancelled: the deadline passed; nothing is left behind.
        """
        change = operation.change
        planned = self._planned(change)
        return self._tried(
            operation, lambda: self._files.stage(change.entry.path, old=change.old, planned=planned)
        )

    def publish(self, operation: Operation, staged: Staged) -> Failure | None:
        """Give a staged copy its name. It is not tried again: then it is gone."""
        try:
            self._files.publish(staged)
        except PathError as error:
            return Failure(operation.change.path, error.reason)
        except OSError as error:
            return Failure(operation.change.path, _reason(operation, error))
        self._leaders.note(staged)
        return None

    def drop(self, staged: Staged) -> None:
        """Remove a staged copy that does not get its name."""
        self._files.drop(staged)

    def _tried(self, operation: Operation, deed: Callable[[], T]) -> T | Failure:
        retries = self._settings.retries
        for left in reversed(range(max(1, retries.attempts))):
            self._deadline.check()
            try:
                if self._settings.source_check is not None:
                    self._settings.source_check(self.source, operation)
                return self._opening_up(operation, deed)
            except TransientError as error:
                failure = Failure(operation.change.path, error.reason)
            except PathError as error:
                return Failure(operation.change.path, error.reason)
            except OSError as error:
                failure = Failure(operation.change.path, _reason(operation, error))
                if error.errno not in _TRANSIENT:
                    return failure
            if left:
                self._deadline.sleep(retries.wait_seconds)
        return failure

    def _opening_up(self, operation: Operation, deed: Callable[[], T]) -> T:
        """Do something for an operation, in a directory that its owner made read-only too."""
        try:
            return deed()
        except PermissionError:
            opened = [self._open_up(path) for path in _written_to(operation.change)]
            if not any(opened):
                raise
            return deed()

    def _open_up(self, parent: bytes) -> bool:
        """Let the owner write to a directory of the destination; its mode is set back at the end."""
        fd = self.destination.handles.handle(parent)
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or status.st_mode & _OWNER_WRITES == _OWNER_WRITES:
            return False
        mode = stat.S_IMODE(status.st_mode)
        fsops.set_mode_of_handle(fd, mode=mode | _OWNER_WRITES)
        self._opened_up[parent] = mode
        return True

    def close_again(self) -> None:
        """Give the directories that were made writable, and are still there, their modes back."""
        while self._opened_up:
            path, mode = self._opened_up.popitem()
            with contextlib.suppress(OSError):
                fsops.set_mode_of_handle(self.destination.handles.handle(path), mode=mode)

    def _carry_out(self, operation: Operation) -> None:
        change = operation.change
        match operation.phase:
            case Phase.DELETE if self._trash is not None:
                self._take(change.entry, self._trash)
            case Phase.SWEEP if self.salvage is not None:
                self._sweep(change.entry, self.salvage)
            case Phase.SWEEP | Phase.MAKE_WAY | Phase.DELETE:
                self._remove(change.entry)
            case Phase.MAKE_DIRECTORIES:
                self._make_directory(change)
            case Phase.MOVE:
                self._carry_out_among_moves(change)
            case Phase.COPY if change.is_in_place:
                self._set_metadata(change)
            case Phase.COPY:
                self._copy(change)
            case Phase.LINK:
                self._linker.link(change)
            case Phase.FINISH_DIRECTORIES:
                self._finisher.finish(change.entry, change.old)

    def _carry_out_among_moves(self, change: Change) -> None:
        match change.kind:
            case ChangeKind.MOVED:
                self._mover.move(change)
            case ChangeKind.DELETED:
                self._remove(change.entry)
            case _:
                self._make_directory(change)

    def _remove(self, old: Entry) -> None:
        if not check_expected(self.destination, old.path, old):
            return
        parent, name = split(old.path)
        try:
            remover_of(old)(self.destination.handles.handle(parent), name)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise PathError(
                old.path, "something appeared in it since it was compared; left as it is"
            ) from None

    def _sweep(self, old: Entry, salvage: Salvage) -> None:
        """Take what a run left that was killed out of the tree: kept if it is of use, else removed."""
        if check_expected(self.destination, old.path, old) and not salvage.keep(old.path):
            self._remove(old)

    def _take(self, old: Entry, trash: Trash) -> None:
        """Move what is deleted to the version area; a directory goes whole, with all that it holds now."""
        if check_expected(self.destination, old.path, old):
            trash.take(old.path)
            if old.is_directory:
                self.destination.handles.forget()

    def _make_directory(self, change: Change) -> None:
        parent, name = split(change.path)
        fd = self.destination.handles.handle(parent)
        if change.old is None:
            fsops.make_directory(fd, name)
            return
        temporary = fsops.temporary_name()
        fsops.make_directory(fd, temporary)
        try:
            place(
                self.destination,
                temporary,
                change.path,
                old=change.old,
                is_directory=True,
                trash=self._trash,
            )
        except BaseException:
            drop(self.destination.handles.handle(parent), temporary, is_directory=True)
            raise

    def _copy(self, change: Change) -> None:
        new = change.entry
        if new.kind is Kind.SYMLINK:
            self._files.copy_symlink(new, old=change.old)
        else:
            self._leaders.note(self._files.copy_file(new.path, old=change.old, planned=self._planned(change)))

    def _planned(self, change: Change) -> Entry | None:
        """Give what the source of a copy must still be; None: whatever it is by now."""
        return None if self._settings.source_check is None else change.new

    def _set_metadata(self, change: Change) -> None:
        new, old = change.entry, change.old
        assert old is not None
        self._dresser.alter(new, old)
        if new.nlink > 1:
            self._leaders.made(new.path, Copied(identity_of(new), identity_of(old)))


def _written_to(change: Change) -> list[bytes]:
    """Name the directories that a step writes to; one that gets another parent has `..` rewritten."""
    parents = [split(change.path)[0]]
    if change.kind is ChangeKind.MOVED and change.old is not None:
        parents.append(split(change.old.path)[0])
        if change.old.is_directory:
            parents.append(change.old.path)
    return parents


_VERBS = {
    Phase.SWEEP: "the temporary file of an earlier run cannot be removed",
    Phase.MAKE_WAY: "cannot be removed",
    Phase.MAKE_DIRECTORIES: "the directory cannot be made, so nothing beneath it was copied",
    Phase.MOVE: "the directory cannot be made, so nothing beneath it was copied",
    Phase.COPY: "cannot be copied",
    Phase.LINK: "cannot be linked to its other name",
    Phase.DELETE: "cannot be removed",
    Phase.FINISH_DIRECTORIES: "the directory's metadata cannot be set",
}


def _reason(operation: Operation, error: OSError) -> str:
    if operation.phase is Phase.COPY and operation.change.is_in_place:
        return f"its metadata cannot be set: {error.strerror}"
    if operation.change.kind is ChangeKind.MOVED and operation.change.old is not None:
        return f"cannot be moved from '{shown(operation.change.old.path)}': {error.strerror}"
    if operation.phase is Phase.MOVE and operation.change.kind is ChangeKind.DELETED:
        return f"{_VERBS[Phase.DELETE]}: {error.strerror}"
    return f"{_VERBS[operation.phase]}: {error.strerror}"
