"""Carrying out one operation; whatever goes wrong concerns its path alone."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from types import TracebackType

from dirsync.errors import PathError, TransientError
from dirsync.mirror.attributes import AttributeCarrier
from dirsync.mirror.expected import CHANGED, check_expected
from dirsync.mirror.files import Copied, FileCopier
from dirsync.mirror.linking import Leaders, Linker
from dirsync.mirror.lost import Lost
from dirsync.mirror.placing import drop, place, remover_of
from dirsync.mirror.settings import Settings
from dirsync.model.change import Change, Failure
from dirsync.model.entry import Entry, Kind
from dirsync.model.links import identity_of
from dirsync.model.operation import Operation, Phase
from dirsync.model.place import LocalPlace
from dirsync.model.stop import Deadline
from dirsync.trees import fsops
from dirsync.trees.attributes import Bearer
from dirsync.trees.data import Told
from dirsync.trees.handles import split
from dirsync.trees.local import open_tree

_TRANSIENT = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.ETXTBSY, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE}
)
_OWNER_WRITES = stat.S_IWUSR | stat.S_IXUSR


class Steps:
    """Carries out operations between two trees; for one thread."""

    def __init__(
        self,
        source: LocalPlace,
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
        self.source = open_tree(source)
        self.destination = open_tree(destination)
        self._carrier = AttributeCarrier(
            carried=settings.attributes, settable=settings.kept.attributes, lost=lost
        )
        self._files = FileCopier(
            self.source,
            self.destination,
            settings=settings,
            carrier=self._carrier,
            told=told,
            sleep=deadline.sleep,
        )
        self._leaders = leaders
        self._linker = Linker(self.source, self.destination, files=self._files, leaders=leaders, lost=lost)

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.source.close()
        self.destination.close()

    def attempt(self, operation: Operation) -> Failure | None:
        """Carry out one operation, with retries; None: it is done.

        Raises:
            Cancelled: the deadline passed; the file at hand is as it was.
        """
        retries = self._settings.retries
        for left in reversed(range(max(1, retries.attempts))):
            self._deadline.check()
            try:
                self._carry_out_opening_up(operation)
                return None
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

    def _carry_out_opening_up(self, operation: Operation) -> None:
        """Carry out one operation, in a directory that its owner made read-only too."""
        try:
            self._carry_out(operation)
        except PermissionError:
            if not self._open_up(split(operation.change.path)[0]):
                raise
            self._carry_out(operation)

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
            case Phase.SWEEP | Phase.MAKE_WAY | Phase.DELETE:
                self._remove(change.entry)
            case Phase.MAKE_DIRECTORIES:
                self._make_directory(change)
            case Phase.COPY if change.is_in_place:
                self._set_metadata(change)
            case Phase.COPY:
                self._copy(change)
            case Phase.LINK:
                self._linker.link(change)
            case Phase.FINISH_DIRECTORIES:
                self._finish_directory(change)

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

    def _make_directory(self, change: Change) -> None:
        parent, name = split(change.path)
        fd = self.destination.handles.handle(parent)
        if change.old is None:
            fsops.make_directory(fd, name)
            return
        temporary = fsops.temporary_name()
        fsops.make_directory(fd, temporary)
        try:
            place(self.destination, temporary, change.path, old=change.old, is_directory=True)
        except BaseException:
            drop(self.destination.handles.handle(parent), temporary, is_directory=True)
            raise

    def _copy(self, change: Change) -> None:
        new = change.entry
        if new.kind is Kind.SYMLINK:
            self._files.copy_symlink(new, old=change.old)
        else:
            copied = self._files.copy_file(new.path, old=change.old)
            if copied is not None:
                self._leaders.made(new.path, copied)

    def _set_metadata(self, change: Change) -> None:
        """Set an object's metadata in its place.

        Attributes come first: as a rule nothing else would show that they were not set. A
        change of owner clears a program's capabilities, so they are looked at again after it.
        """
        new, old = change.entry, change.old
        assert old is not None
        parent, name = split(new.path)
        attributes = self._carrier.read(Bearer(self.source.handles.handle(parent), name), new.path)
        # All names of it are known where there are several, so nothing but a change moves its ctime.
        if not check_expected(self.destination, old.path, old._replace(nlink=1)):
            raise PathError(old.path, CHANGED)
        fd = self.destination.handles.handle(parent)
        self._carrier.give(attributes, Bearer(fd, name), new.path, mode=old.permissions)
        uid, gid = (
            self._settings.kept.kept_owner(new, old) if self._settings.ownership else (old.uid, old.gid)
        )
        if (uid, gid) != (old.uid, old.gid):
            fsops.set_owner(fd, name, uid=uid, gid=gid)
            self._carrier.give(attributes, Bearer(fd, name), new.path, mode=old.permissions)
        if new.kind is not Kind.SYMLINK and self._settings.mode:
            fsops.set_mode(fd, name, mode=self._settings.mode_for(new, old, uid=uid, gid=gid))
        if self._settings.mtime:
            fsops.set_mtime(fd, name, mtime_ns=new.mtime_ns)
        if new.nlink > 1:
            self._leaders.made(new.path, Copied(identity_of(new), identity_of(old)))

    def _finish_directory(self, change: Change) -> None:
        new = change.entry
        fd = self.destination.handles.handle(new.path)
        current = os.fstat(fd)
        attributes = self._attributes_of_directory(new.path)
        if attributes is not None:
            self._carrier.give(attributes, Bearer(fd), new.path, mode=stat.S_IMODE(current.st_mode))
        uid, gid = self._settings.owner_for(new, change.old, current=current)
        changes_owner = (uid, gid) != (current.st_uid, current.st_gid)
        if changes_owner:
            fsops.set_owner_of_handle(fd, uid=uid, gid=gid)
        mode = self._settings.mode_for(new, change.old, uid=uid, gid=gid)
        if changes_owner or mode != stat.S_IMODE(current.st_mode):
            fsops.set_mode_of_handle(fd, mode=mode)
        self._opened_up.pop(new.path, None)
        if self._settings.mtime:
            fsops.set_mtime_of_handle(fd, mtime_ns=new.mtime_ns)

    def _attributes_of_directory(self, path: bytes) -> dict[str, bytes] | None:
        """Read a directory's attributes at the source; None: they do not matter, or it has gone since."""
        if not self._settings.attributes:
            return None
        try:
            handle = self.source.handles.handle(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._carrier.read(Bearer(handle), path)


_VERBS = {
    Phase.SWEEP: "the temporary file of an earlier run cannot be removed",
    Phase.MAKE_WAY: "cannot be removed",
    Phase.MAKE_DIRECTORIES: "the directory cannot be made, so nothing beneath it was copied",
    Phase.COPY: "cannot be copied",
    Phase.LINK: "cannot be linked to its other name",
    Phase.DELETE: "cannot be removed",
    Phase.FINISH_DIRECTORIES: "the directory's metadata cannot be set",
}


def _reason(operation: Operation, error: OSError) -> str:
    if operation.phase is Phase.COPY and operation.change.is_in_place:
        return f"its metadata cannot be set: {error.strerror}"
    return f"{_VERBS[operation.phase]}: {error.strerror}"
