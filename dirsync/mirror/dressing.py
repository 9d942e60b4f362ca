"""Giving what is at the destination already the metadata of its source: owner, mode, attributes, times."""

from __future__ import annotations

from dirsync.errors import PathError
from dirsync.mirror.attributes import AttributeCarrier
from dirsync.mirror.expected import CHANGED, check_expected
from dirsync.mirror.settings import Settings
from dirsync.model.entry import Entry, Kind
from dirsync.trees import fsops
from dirsync.trees.attributes import Bearer
from dirsync.trees.handles import split
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree


class Dresser:
    """Sets the metadata of objects in their places; for one thread."""

    def __init__(
        self,
        source: SourceTree,
        destination: LocalTree,
        *,
        settings: Settings,
        carrier: AttributeCarrier,
    ) -> None:
        self._source = source
        self._destination = destination
        self._settings = settings
        self._carrier = carrier

    def alter(self, new: Entry, old: Entry) -> None:
        """Set the metadata of a file or symlink.

        Raises:
            PathError: it is not what the plan saw.
            OSError: a system call failed; some of it may be set.
        """
        attributes = self._carrier.read(self._source.bearer(new.path), new.path)
        # All names of it are known where there are several, so nothing but a change moves its ctime.
        if not check_expected(self._destination, old.path, old._replace(nlink=1)):
            raise PathError(old.path, CHANGED)
        self._give(new, old, attributes)

    def dress(self, new: Entry, old: Entry) -> None:
        """Give what stands at the new entry's path, and was seen as the old one, the metadata of the new."""
        self._give(new, old, self._carrier.read(self._source.bearer(new.path), new.path))

    def _give(self, new: Entry, old: Entry, attributes: dict[str, bytes]) -> None:
        """Set it all.

        Attributes come first: as a rule nothing else would show that they were not set. A
        change of owner clears a program's capabilities, so they are looked at again after it.
        """
        settings = self._settings
        parent, name = split(new.path)
        fd = self._destination.handles.handle(parent)
        self._carrier.give(attributes, Bearer(fd, name), new.path, mode=old.permissions)
        uid, gid = settings.kept.kept_owner(new, old) if settings.ownership else (old.uid, old.gid)
        if (uid, gid) != (old.uid, old.gid):
            fsops.set_owner(fd, name, uid=uid, gid=gid)
            self._carrier.give(attributes, Bearer(fd, name), new.path, mode=old.permissions)
        if new.kind is not Kind.SYMLINK and settings.mode:
            fsops.set_mode(fd, name, mode=settings.mode_for(new, old, uid=uid, gid=gid))
        if settings.mtime:
            fsops.set_mtime(fd, name, mtime_ns=new.mtime_ns)
