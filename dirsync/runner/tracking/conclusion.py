"""From findings to changes, once all of the tree was seen: what moved, what came, what went.

A directory that moved is one change, whatever it holds. A file moved where one went and
one came of the same inode, size and mtime, and, where both are known, content. An mtime
of a directory is no news where something in it explains it; as what does not count, and
what the job selects no more, it is recorded, and not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.recording import Recording
from dirsync.compare.counting import Counting, aspects_of, change_of
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.entry import Kind
from dirsync.model.job import Severity, TrackJob
from dirsync.model.recorded import Recorded, RecordedDirectory
from dirsync.runner.tracking.findings import Finding, Findings, Gone
from dirsync.runner.tracking.overlay import Overlay
from dirsync.trees.handles import ancestors, join, split

_SORTED_UP_TO = 100_000  # changes that are put in the order of their paths
_DIRECTORIES_AT_ONCE = 400


class Concluded(NamedTuple):
    """One change, as it is recorded and told; one without a respect in which it counts is not told."""

    path: bytes
    kind: ChangeKind
    old: Recorded | None
    new: Recorded | None
    severity: Severity
    aspects: frozenset[Aspect] = frozenset()
    old_path: bytes | None = None  # of MOVED: where it was before the run

    @property
    def is_quiet(self) -> bool:
        """Whether it is kept only so that earlier states can be told exactly.

        What the job selects no more is such a one without `new`: nobody saw it go.
        """
        return self.kind is ChangeKind.METADATA and not self.aspects


class Conclusion:
    """Makes changes of the findings of one scan, and stages the directories that went or moved unseen."""

    def __init__(
        self,
        job: TrackJob,
        catalog: Catalog,
        job_id: int,
        recording: Recording,
        *,
        findings: Findings,
        moved: Overlay,
        staged: set[int],
    ) -> None:
        self._job = job
        self._catalog = catalog
        self._job_id = job_id
        self._recording = recording
        self._findings = findings
        self._moved = moved
        self._staged = staged
        self._counting = Counting(job)
        self.entries_gone = 0
        self.bytes_gone = 0

    def settle(self) -> None:
        """Stage the directories that went or moved unseen: nobody else may stage them after that."""
        self._carry_along()
        self._expand()

    def changes(self) -> Iterator[Concluded]:
        """Give every change, once all is settled, in the order of the paths unless there are very many."""
        first: list[Concluded] = []
        changes = self._all()
        for change in changes:
            first.append(change)
            if len(first) > _SORTED_UP_TO:
                yield from first
                yield from changes
                return
        yield from sorted(first, key=lambda change: change.path.replace(b"/", b"\0"))

    def _all(self) -> Iterator[Concluded]:
        pairs = self._moved_files() if self._job.moves else {}
        moved_off = {old_path for old_path, _ in pairs.values()}
        for finding in self._findings.came:
            yield self._came(finding, pairs)
        for finding in self._findings.went:
            if finding.path not in moved_off and not self._was_moved(finding):
                yield Concluded(finding.path, ChangeKind.DELETED, finding.old, None, finding.severity)
        for finding in self._findings.left:
            if not self._was_moved(finding):
                yield Concluded(finding.path, ChangeKind.METADATA, finding.old, None, finding.severity)
        for finding in self._findings.altered:
            yield _altered(finding._replace(aspects=frozenset()) if self._is_explained(finding) else finding)

    def _was_moved(self, finding: Finding) -> bool:
        return bool(len(self._moved)) and self._moved.was_moved(self._moved.recorded(finding.path))

    def _expand(self) -> None:
        """Find all that went with each directory that did, or is recorded no more with it."""
        findings = self._findings
        for dirs, found in ((findings.gone, findings.went), (findings.forgotten, findings.left)):
            for gone in dirs:
                for finding in self._beneath(gone):
                    found.append(finding)

    def _is_explained(self, finding: Finding) -> bool:
        is_directory = finding.new is not None and finding.new.kind is Kind.DIRECTORY
        only_mtime = finding.aspects == {Aspect.MTIME}
        return is_directory and only_mtime and finding.path in self._findings.explained

    # What moved

    def _moved_files(self) -> dict[bytes, tuple[bytes, Recorded]]:
        """Pair files that came with files that went: by the new path, where each was and as what."""
        inodes = {f.new.ino for f in self._findings.came if f.new is not None and _can_move(f.new)}
        if not inodes:
            return {}
        went: dict[int, list[Finding]] = {}
        for finding in self._findings.went:
            if finding.old is not None and finding.old.ino in inodes and _can_move(finding.old):
                went.setdefault(finding.old.ino, []).append(finding)
        pairs: dict[bytes, tuple[bytes, Recorded]] = {}
        for finding in self._findings.came if went else ():
            assert finding.new is not None
            candidates = went.get(finding.new.ino, [])
            for position, candidate in enumerate(candidates):
                if candidate.old is not None and _is_same(candidate.old, finding.new):
                    pairs[finding.path] = (candidate.path, candidate.old)
                    del candidates[position]
                    break
        return pairs

    def _came(self, finding: Finding, pairs: dict[bytes, tuple[bytes, Recorded]]) -> Concluded:
        path, new = finding.path, finding.new
        assert new is not None
        if path in pairs:
            old_path, old = pairs[path]
            return self._moved_change(finding, self._moved.recorded(old_path), old)
        recorded = self._moved.moved_from(path)
        if recorded is not None and new.kind is Kind.DIRECTORY:
            row = self._catalog.entry_in(self._job_id, *split(recorded))
            return self._moved_change(finding, recorded, row or new)
        return Concluded(path, ChangeKind.CREATED, None, new, finding.severity)

    def _moved_change(self, finding: Finding, old_path: bytes, old: Recorded) -> Concluded:
        new = finding.new
        assert new is not None
        parent, name = split(finding.path)
        counted = self._counting.at(parent, name, is_directory=new.kind is Kind.DIRECTORY)
        aspects = aspects_of(new, old, counted)
        if new.kind is Kind.DIRECTORY:
            aspects -= {Aspect.MTIME}  # something came or went in it, which is told
        return Concluded(finding.path, ChangeKind.MOVED, old, new, finding.severity, aspects, old_path)

    def _carry_along(self) -> None:
        """Give directories in moved ones that were not seen, for they could not be, their new paths."""
        gone = {each.recorded for each in (*self._findings.gone, *self._findings.forgotten)}
        for now, recorded in self._moved.moves():
            for directory in list(self._catalog.directories_beneath(self._job_id, recorded)):
                is_seen = directory.directory_id in self._staged or self._moved.was_moved(directory.path)
                above = [each for each in _upwards(directory.path) if len(each) > len(recorded)]
                if is_seen or any(each in gone or self._moved.was_moved(each) for each in above):
                    continue
                new = directory._replace(path=now + directory.path[len(recorded) :])
                self._recording.put(directory, new, entries=[], instead=[])

    # What went with a directory

    def _beneath(self, gone: Gone) -> Iterator[Finding]:
        """Drop a directory that went and those beneath it, but for what moved; give what was in them."""
        dropped: list[RecordedDirectory] = []
        if self._moved.was_moved(gone.recorded):
            return
        for directory in self._catalog.directories_beneath(self._job_id, gone.recorded):
            if not self._has_moved(directory.path, beneath=gone.recorded):
                dropped.append(directory)
        for start in range(0, len(dropped), _DIRECTORIES_AT_ONCE):
            part = {each.directory_id: each for each in dropped[start : start + _DIRECTORIES_AT_ONCE]}
            for directory_id, row in self._catalog.entries_in(self._job_id, list(part)):
                if row.name:
                    yield from self._went_with(gone, part[directory_id], row)
        for directory in dropped:
            self._recording.drop(directory)

    def _went_with(self, gone: Gone, directory: RecordedDirectory, row: Recorded) -> Iterator[Finding]:
        if row.is_passage:
            return
        self.entries_gone += 1
        self.bytes_gone += row.size if row.kind is Kind.FILE else 0
        recorded = join(directory.path, row.name)
        if self._moved.was_moved(recorded):
            return
        parent = gone.path + directory.path[len(gone.recorded) :]
        is_directory = row.kind is Kind.DIRECTORY
        severity = self._counting.at(parent, row.name, is_directory=is_directory).severity
        yield Finding(join(parent, row.name), row, None, severity)

    def _has_moved(self, path: bytes, *, beneath: bytes) -> bool:
        """Whether a directory, or one above it within another, was moved out of there."""
        if not len(self._moved):
            return False
        return any(self._moved.was_moved(each) for each in _upwards(path) if len(each) > len(beneath))


def _upwards(path: bytes) -> Iterator[bytes]:
    """Give a path and the directories above it, without the root."""
    return chain([path], ancestors(path))


def _can_move(row: Recorded) -> bool:
    return row.kind is not Kind.DIRECTORY


def _is_same(old: Recorded, new: Recorded) -> bool:
    """Whether two records of one inode are of one object, moved."""
    if (old.kind, old.size, old.mtime_ns, old.target) != (new.kind, new.size, new.mtime_ns, new.target):
        return False
    return None in (old.hash, new.hash) or old.hash == new.hash


def _altered(finding: Finding) -> Concluded:
    assert finding.new is not None
    assert finding.old is not None
    kind = change_of(finding.new, finding.old, finding.aspects)
    return Concluded(finding.path, kind, finding.old, finding.new, finding.severity, finding.aspects)
