"""The rules of one job's comparison: columns first, then entry by entry."""

from __future__ import annotations

from msgspec import Struct

from dirsync.model.attributes import Namespace, namespaces_carried
from dirsync.model.capabilities import Capabilities
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.entry import Entry, Kind
from dirsync.model.job import Compare, HashAlgorithm, MirrorJob, Preserve
from dirsync.model.listing import Listing

CONTENT = frozenset({Aspect.KIND, Aspect.SIZE, Aspect.MTIME, Aspect.TARGET, Aspect.HASH})


def kind_of_change(aspects: frozenset[Aspect], *, content_is_known: bool) -> ChangeKind:
    """Say whether an entry is modified, or its metadata alone.

    `content_is_known`: the content is the same but for what the aspects say, so an
    mtime is mere metadata.
    """
    content = CONTENT - {Aspect.MTIME} if content_is_known else CONTENT
    return ChangeKind.MODIFIED if aspects & content else ChangeKind.METADATA


class Rules(Struct, frozen=True, kw_only=True):
    """What is compared, and how finely. Picklable: it travels to worker processes."""

    size: bool
    mtime: bool
    mode: bool
    ownership: bool
    hash: HashAlgorithm | None  # None: content is not hashed
    attributes: frozenset[Namespace]  # the extended attributes compared; none as a rule
    window_ns: int  # mtimes this close are equal
    mtime_resolution_ns: int
    kept: Capabilities  # what the destination can keep
    carries_owner: bool  # a run gives what it writes the source's owner

    @property
    def beyond_columns(self) -> bool:
        """Whether something is compared that a listing does not tell."""
        return self.hash is not None or bool(self.attributes)

    def same_columns(self, new: Listing, old: Listing) -> bool:
        """Whether two listings agree at a glance; a no may still turn out to be a yes."""
        return (
            new.names == old.names
            and new.mode == old.mode
            and new.targets == old.targets
            and (not self.size or new.size == old.size)
            and (not self.mtime or new.mtime_ns == old.mtime_ns)
            and (not self.ownership or (new.uid == old.uid and new.gid == old.gid))
            and not new.unknown
            and not old.unknown
        )

    def aspects(self, new: Entry, old: Entry) -> frozenset[Aspect]:
        """In what two entries of one path differ; content is not hashed here."""
        kind = new.kind
        if kind is not old.kind:
            return frozenset({Aspect.KIND})
        found = set()
        if kind is Kind.FILE and self.size and new.size != old.size:
            found.add(Aspect.SIZE)
        if new.target != old.target:
            found.add(Aspect.TARGET)
        if self.mtime and not self._same_mtime(new.mtime_ns, old.mtime_ns):
            found.add(Aspect.MTIME)
        if self.mode and kind is not Kind.SYMLINK and self._kept_mode(new, old) != old.permissions:
            found.add(Aspect.MODE)
        if self.ownership and self.kept.kept_owner(new, old) != (old.uid, old.gid):
            found.add(Aspect.OWNERSHIP)
        return frozenset(found)

    def _same_mtime(self, new_ns: int, old_ns: int) -> bool:
        if abs(new_ns - old_ns) <= self.window_ns:
            return True
        resolution_ns = self.mtime_resolution_ns
        return new_ns // resolution_ns == old_ns // resolution_ns

    def _kept_mode(self, new: Entry, old: Entry) -> int:
        uid, gid = self.kept.kept_owner(new, old) if self.carries_owner else (old.uid, old.gid)
        return self.kept.kept_mode(new, uid=uid, gid=gid)


EXACT = Rules(
    size=True,
    mtime=True,
    mode=True,
    ownership=True,
    hash=None,
    attributes=frozenset(),
    window_ns=0,
    mtime_resolution_ns=1,
    kept=Capabilities(),
    carries_owner=True,
)  # of two states of one tree: nothing is carried, so nothing is lost on the way


def rules_for(job: MirrorJob, *, source: Capabilities, destination: Capabilities) -> Rules:
    """Bring what a job asks for down to what both sides can keep.

    Modes and owners are compared where they are carried over, and only there.
    """
    by = job.comparison.by
    keeps_owners = destination.any_owner or bool(destination.groups)
    return Rules(
        size=Compare.SIZE in by,
        mtime=Compare.MTIME in by and Preserve.MTIME in job.preserve,
        mode=Compare.MODE in by and Preserve.MODE in job.preserve and destination.modes and source.modes,
        ownership=Compare.OWNERSHIP in by and Preserve.OWNERSHIP in job.preserve and keeps_owners,
        hash=job.comparison.algorithm if Compare.HASH in by else None,
        attributes=_attributes(job) & source.attributes & destination.attributes,
        window_ns=job.comparison.modify_window_ns,
        mtime_resolution_ns=max(source.mtime_resolution_ns, destination.mtime_resolution_ns),
        kept=destination,
        carries_owner=Preserve.OWNERSHIP in job.preserve,
    )


def _attributes(job: MirrorJob) -> frozenset[Namespace]:
    return namespaces_carried(job.preserve) if Compare.XATTRS in job.comparison.by else frozenset()
