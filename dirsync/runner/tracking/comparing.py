"""Comparing what a scan saw with what the catalog holds, directory by directory.

What is recorded now is staged at once. What it means, whether something was moved or
came and went, is known only when all of the tree was seen: that is left as findings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.recording import Recording
from dirsync.catalog.seal import told
from dirsync.compare.counting import Counting, aspects_of, change_of
from dirsync.march.tracking import SeenDirectory, TrackFound
from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.content import Stamp
from dirsync.model.job import Compare, TrackJob
from dirsync.model.recorded import (
    Recorded,
    storable,
)
from dirsync.runner.tracking.findings import Finding, Findings, Gone, Unfinished
from dirsync.runner.tracking.hashing import Fingerprint, Hasher
from dirsync.runner.tracking.matching import Match, Matching
from dirsync.trees.handles import join
from dirsync.trees.local import LocalTree

Failed = Callable[[Failure], None]


class CameFirst(NamedTuple):
    """What a job's first run found in one directory."""

    directory: bytes  # its path
    rows: list[Recorded]
    byte_count: int  # how long its files are, together

    @property
    def entry_count(self) -> int:
        """How many entries they are."""
        return len(self.rows)

    def changes(self) -> list[Change]:
        """Give each as it is told."""
        where = self.directory
        return [Change(ChangeKind.CREATED, None, row.entry(join(where, row.name))) for row in self.rows]


class Comparing:
    """Compares the pieces of one scan, in the order they come; for one thread."""

    def __init__(
        self,
        job: TrackJob,
        catalog: Catalog,
        job_id: int,
        recording: Recording,
        *,
        run_id: int,
        source: LocalTree,
        hasher: Hasher,
        findings: Findings,
        came_first: Callable[[CameFirst], None] | None,
        scope_changed: bool,
        due_before: int | None,
        failed: Failed,
    ) -> None:
        """Stage what is found with `recording`; `scope_changed`: the job may select less than on record.

        `came_first` is told of all that a job's first run finds, which is no finding; None: it
        is not the first. `due_before`: content that was read before (seconds since 1970) is
        going to be read again; None: none is.
        """
        self._job = job
        self._catalog = catalog
        self._job_id = job_id
        self._recording = recording
        self._run_id = run_id
        self._source = source
        self._hasher = hasher
        self._findings = findings
        self._came_first = came_first
        self._scope_changed = scope_changed
        self._due_before = due_before
        self._failed = failed
        self._counting = Counting(job)
        self._hashes = not self._counting.is_uniform or Compare.HASH in job.comparison.by
        self.matching = Matching(job, catalog, job_id, source=source)
        self.unfinished: dict[int, Unfinished] = {}  # those of them whose files may be read again yet
        self.entries_added = 0
        self.bytes_added = 0  # to what all files in the catalog come to; negative if it is less

    def take(self, piece: TrackFound) -> None:
        """Compare one piece of the scan, and stage what is to be recorded of it."""
        known = self.matching.of(piece.changed)
        fingerprints = self._hashed(known) if self._hashes else {}
        for each in known:
            self._compare(each, fingerprints)
        for failure in piece.unlisted:
            self._not_listed(failure)

    # Hashes

    def _hashed(self, known: list[Match]) -> dict[bytes, Fingerprint]:
        """Read the files whose content has to be known, and is not."""
        return self._hasher.of(
            Stamp(join(each.seen.path, row.name), row.size, row.mtime_ns, row.ctime_ns)
            for each in known
            for row in each.now.values()
            if self._needs_hash(each.seen.path, row, each.before.get(row.name))
        )

    def _needs_hash(self, parent: bytes, row: Recorded, before: Recorded | None) -> bool:
        if not row.is_file:
            return False
        if before is not None and before.hash is not None and _stamp(before) == _stamp(row):
            return False
        return Compare.HASH in self._counting.at(parent, row.name, is_directory=False).attributes

    # One directory

    def _compare(self, known: Match, fingerprints: dict[bytes, Fingerprint]) -> None:
        seen, now, _, _, before = known
        if not before and not fingerprints:
            self._came(seen.path, list(now.values()))
            self._tell_unknown(seen)
            self._stage(known, list(now.values()), [], digest=seen.digest)
            return
        entries: list[Recorded] = []
        instead: list[Recorded] = []
        complete = seen.digest is not None
        for name, row in now.items():
            old = before.get(name)
            row, is_known = self._with_hash(seen.path, row, old, fingerprints)
            complete &= is_known
            kept = row if is_known or old is None else _to_be_read(row, old)
            if old is None:
                self._came(seen.path, [row])
            elif kept == old:
                continue
            else:
                instead.append(old)
                self._altered(seen.path, old, row)
            entries.append(kept)
        for name in before.keys() - now.keys():
            if self._is_absent(known, name):
                instead.append(before[name])
            else:
                complete = False
        for name in seen.foreign & before.keys():
            if self._scope_changed:
                self._leave(join(seen.path, name))
        self._tell_unknown(seen)
        self._stage(known, entries, instead, digest=seen.digest if complete else None)

    def _tell_unknown(self, seen: SeenDirectory) -> None:
        for unknown in seen.listing.unknown:
            self._failed(Failure(join(seen.path, unknown.name), unknown.reason))

    def _with_hash(
        self, parent: bytes, row: Recorded, old: Recorded | None, fingerprints: dict[bytes, Fingerprint]
    ) -> tuple[Recorded, bool]:
        """Put in the hash of a file's content; False: its content is not known as it is now."""
        made = fingerprints.get(join(parent, row.name)) if fingerprints else None
        if made is None:
            if old is None or old.hash is None or not row.is_file:
                return row, True
            if _stamp(row) != _stamp(old):
                return row, True  # its content does not count any more
            return row._replace(hash=old.hash, hashed_at=old.hashed_at), True
        if made.hash is None:
            self._failed(Failure(made.stamp.path, made.reason or ""))
            return row, False
        _, size, mtime_ns, ctime_ns = made.stamp
        as_scanned = (size, storable(mtime_ns), storable(ctime_ns)) == _stamp(row)
        row = row._replace(size=size, mtime_ns=storable(mtime_ns), ctime_ns=storable(ctime_ns))
        return row._replace(hash=made.hash, hashed_at=made.hashed_at), as_scanned

    def _came(self, parent: bytes, rows: list[Recorded]) -> None:
        came = [row for row in rows if row.name and not row.is_passage]  # without a name: the root itself
        self.entries_added += len(came)
        byte_count = sum([row.file_bytes for row in came])
        self.bytes_added += byte_count
        if self._came_first is not None:
            self._came_first(CameFirst(parent, came, byte_count))
            return
        for row in came:
            severity = self._counting.at(parent, row.name, is_directory=row.is_directory).severity
            self._findings.came.append(Finding(join(parent, row.name), None, row, severity))
        if any(row.name for row in rows):
            self._findings.explained.add(parent)

    def _altered(self, parent: bytes, old: Recorded, new: Recorded) -> None:
        if old.is_passage or new.is_passage:
            self._became_passage_or_ceased(parent, old, new)
            return
        self.bytes_added += new.file_bytes - old.file_bytes
        path = join(parent, new.name) if new.name else b""
        counted = self._counting.at(parent, new.name, is_directory=new.is_directory)
        aspects = aspects_of(new, old, counted)
        if Aspect.KIND in aspects and old.is_directory:
            self._findings.gone.append(Gone(path, self.matching.moved.recorded(path)))
        if not aspects and told(new) == told(old):
            return
        self._findings.altered.append(Finding(path, old, new, counted.severity, aspects))
        if aspects and change_of(new, old, aspects) is ChangeKind.MODIFIED:
            self._findings.explained.add(parent)

    def _became_passage_or_ceased(self, parent: bytes, old: Recorded, new: Recorded) -> None:
        """Take a directory that is merely entered for nothing; what the job selects anew came."""
        if not old.is_passage:
            self._count_gone(old)
            if old.is_directory:
                self._left(parent, old)
            else:
                self._went(parent, old)
        if not new.is_passage:
            self._came(parent, [new])
            if not new.is_directory:
                self._went(parent, old)

    def _is_absent(self, known: Match, name: bytes) -> bool:
        """Settle what it means that a name on record was not seen; False: it is not known to be absent."""
        path = join(known.seen.path, name)
        if name in known.unselected:
            if _is_forgotten(known, name):
                self._leave(path)
            return True
        if any(name == unknown.name for unknown in known.seen.listing.unknown):
            return False
        try:
            there = self._source.entry(path)
        except OSError as error:
            self._failed(Failure(path, f"could not be seen: {error.strerror}"))
            return False
        return there is None

    def _leave(self, path: bytes) -> None:
        """Have what is at a path recorded no more, for the job no longer selects it."""
        self._findings.forgotten.append(Gone(path, self.matching.moved.recorded(path)))

    def _left(self, parent: bytes, row: Recorded) -> None:
        """Note what is recorded no more, though it may be there: only earlier states have it."""
        if not row.is_passage:
            self._findings.left.append(self._lost(parent, row))

    def _lost(self, parent: bytes, row: Recorded) -> Finding:
        severity = self._counting.at(parent, row.name, is_directory=row.is_directory).severity
        return Finding(join(parent, row.name), row, None, severity)

    def _went(self, parent: bytes, row: Recorded) -> None:
        path = join(parent, row.name)
        if not row.is_passage:
            self._findings.went.append(self._lost(parent, row))
        self._findings.explained.add(parent)
        if row.is_directory:
            self._findings.gone.append(Gone(path, self.matching.moved.recorded(path)))

    def _count_gone(self, row: Recorded) -> None:
        if not row.is_passage:
            self.entries_added -= 1
            self.bytes_added -= row.file_bytes

    def _stage(
        self, known: Match, entries: list[Recorded], instead: list[Recorded], *, digest: bytes | None
    ) -> None:
        """Stage what a directory holds now, unless it is as it is on record."""
        seen, now, _, directory, _ = known
        for row in instead:
            if row.name not in now:
                self._count_gone(row)
                if _is_forgotten(known, row.name):
                    self._left(seen.path, row)
                else:
                    self._went(seen.path, row)
        ino = self.matching.inode_of(known)
        new = directory or self._recording.new_directory(seen.path, ino=ino)
        new = new._replace(path=seen.path, digest=digest, unseen_since=None, ino=ino)
        if new != directory or entries or instead:
            more = self._has_due(known, instead)
            self._recording.put(directory, new, entries=entries, instead=instead, more=more)

    def _has_due(self, known: Match, instead: list[Recorded]) -> bool:
        """Whether files that stay as they are on record are due to be read again; it is noted where."""
        if self._due_before is None or known.directory is None:
            return False
        altered = frozenset(row.name for row in instead)
        for row in known.before.values():
            if row.hashed_at is not None and row.hashed_at < self._due_before and row.name not in altered:
                self.unfinished[known.directory.directory_id] = Unfinished(known.seen.path, altered)
                return True
        return False

    def _not_listed(self, failure: Failure) -> None:
        """Note a directory that could not be listed: what is in it is unknown, and stays on record."""
        self._failed(failure)
        if self.matching.left_meanwhile(failure.path):
            return
        directory = self.matching.of_unlisted(failure.path)
        if directory is None:
            ino = self.matching.new_inode(failure.path)
            new = self._recording.new_directory(failure.path, ino=ino)
        else:
            new = directory._replace(path=failure.path, digest=None)
        if new.unseen_since is None:
            new = new._replace(unseen_since=self._run_id)
        if new != directory:
            self._recording.put(directory, new, entries=[], instead=[])


def _is_forgotten(known: Match, name: bytes) -> bool:
    """Whether what is on record at a name is there still, and only not selected any more."""
    return name in known.unselected and known.unselected[name].kind is known.before[name].kind


def _stamp(row: Recorded) -> tuple[int, int, int]:
    return row.size, row.mtime_ns, row.ctime_ns


def _to_be_read(row: Recorded, old: Recorded) -> Recorded:
    """Give what is kept of a file that could not be read: its content of before.

    With a ctime that is not its own it is read again, and compared with what it was.
    """
    if row.hash is not None or old.hash is None:
        return row
    ctime_ns = old.ctime_ns if old.ctime_ns != row.ctime_ns else ~row.ctime_ns
    return row._replace(hash=old.hash, hashed_at=old.hashed_at, ctime_ns=ctime_ns)
