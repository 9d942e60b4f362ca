"""How one run carries things over."""

from __future__ import annotations

import os
import stat

from msgspec import Struct

from dirsync.mirror.unchanged import SourceCheck
from dirsync.model.attributes import Namespace, namespaces_carried
from dirsync.model.capabilities import Capabilities
from dirsync.model.entry import Entry
from dirsync.model.job import Durability, MirrorJob, OnError, Preserve, Retries

_UMASK = os.umask(0o077)
os.umask(_UMASK)  # the only way to read it; done once, before there are threads


class Settings(Struct, frozen=True, kw_only=True):
    """What a mirror carries over, and what it does about errors."""

    kept: Capabilities  # what the destination can keep
    ownership: bool
    mode: bool
    mtime: bool
    sparse: bool
    durable: bool  # a name leads only to data that survives a power cut
    attributes: frozenset[Namespace]
    bandwidth: int | None  # the most bytes a second that are copied; None: no limit
    retries: Retries
    stop_on_failure: bool
    version_area: bytes | None  # where what is displaced is kept, a path at the destination; None: it is not
    source_check: SourceCheck | None = None  # None: the source was looked at only just now

    def owner_for(self, new: Entry, old: Entry | None, *, current: os.stat_result) -> tuple[int, int]:
        """Whom a new object is to belong to; `current` is what it is now.

        Where ownership is not carried over, an object that is replaced keeps its owner.
        """
        kept = self.kept
        wanted = new if self.ownership else old
        if wanted is None or not (kept.any_owner or kept.groups):
            return current.st_uid, current.st_gid
        uid = wanted.uid if kept.any_owner else current.st_uid
        gid = wanted.gid if kept.any_owner or wanted.gid in kept.groups else current.st_gid
        return uid, gid

    def mode_for(self, new: Entry, old: Entry | None, *, uid: int, gid: int) -> int:
        """The permission bits of an object that belongs to `uid` and `gid`.

        Where modes are not carried over, an object that is replaced by its like keeps
        its bits, and a new one gets the source's less the umask, as `cp` does.
        """
        if self.mode:
            return self.kept.kept_mode(new, uid=uid, gid=gid)
        if old is not None and old.kind is new.kind:
            return old.permissions
        return new.permissions & self.bits_of_new

    @property
    def bits_of_new(self) -> int:
        """The permission bits that a new object gets of its source's where modes are not carried over."""
        return ~_UMASK & (stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)


def settings_for(job: MirrorJob, kept: Capabilities, *, version_area: bytes | None) -> Settings:
    """Take from a job what the mirror has to know."""
    return Settings(
        kept=kept,
        ownership=Preserve.OWNERSHIP in job.preserve,
        mode=Preserve.MODE in job.preserve and kept.modes,
        mtime=Preserve.MTIME in job.preserve,
        sparse=Preserve.SPARSE in job.preserve,
        durable=job.durability is Durability.FULL,
        attributes=namespaces_carried(job.preserve),
        bandwidth=job.bandwidth,
        retries=job.retries,
        stop_on_failure=job.on_error is OnError.STOP,
        version_area=version_area,
    )
