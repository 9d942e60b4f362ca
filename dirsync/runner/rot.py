"""Bit rot told from edits: what a march found is judged by the hashes on record.

Between the march and the planner. A source whose content changed under an unchanged
stamp is held: nothing of it reaches the replica. A replica that changed while its
source did not is copied again by the plan that the march's facts lead to anyway.
"""

from __future__ import annotations

from collections.abc import Callable

from dirsync.march.found import Found
from dirsync.model.change import Aspect, Change, Failure
from dirsync.model.content import Hashed, Soundness, Stamp, judged
from dirsync.model.job import MirrorJob
from dirsync.model.names import shown
from dirsync.runner.hashes import HashRecord
from dirsync.trees.local import entry_of, open_tree
from dirsync.trees.source import SourceTree

ROTTED = "bit rot: the content changed though size and times did not; the replica is kept"
BOTH_ROTTED = (
    "bit rot: the content changed though size and times did not, and the replica is not as on record"
)


Before = Callable[[bytes], bytes]


class RotSieve:
    """Takes from what was found what would carry rot over, and keeps the record."""

    def __init__(self, job: MirrorJob, record: HashRecord, *, check: Callable[[], None]) -> None:
        """Work for one run; `check` is called while files are read, and may raise to stop."""
        self._job = job
        self._record = record
        self._check = check
        self.rotted_replicas: list[bytes] = []  # whose content alone changed

    def sift(self, found: Found, *, before: Before | None = None) -> None:
        """Judge one piece; what is held becomes a failure of its path.

        `before` gives the path under which a file in a renamed directory is on record.
        """
        in_doubt = [change for change in found.changes if change.replaces_a_file]
        stamps = [item.stamp for item in found.hashed] + [Stamp.of(change.entry) for change in in_doubt]
        known = self._record.known(stamps) if before is None else self._known_before(stamps, before)
        held = {
            item.stamp.path: reason
            for item in found.hashed
            if (reason := self._judge(item, known.get(item.stamp.path), found)) is not None
        }
        hashed = {item.stamp.path for item in found.hashed}
        on_record = [change for change in in_doubt if change.path in known and change.path not in hashed]
        held |= self._rotted_unread(on_record, known)
        if held:
            found.changes = [change for change in found.changes if change.path not in held]
            found.linked = [linked for linked in found.linked if linked.path not in held]
            found.failures += [Failure(path, reason) for path, reason in held.items()]
            found.kept += held

    def _known_before(self, stamps: list[Stamp], before: Before) -> dict[bytes, bytes]:
        now = {before(stamp.path): stamp.path for stamp in stamps}
        known = self._record.known(stamp._replace(path=before(stamp.path)) for stamp in stamps)
        return {now[path]: on_record for path, on_record in known.items()}

    def _judge(self, item: Hashed, on_record: bytes | None, found: Found) -> str | None:
        """Judge a file whose both sides were hashed; give why it is held, if it is."""
        match judged(source=item.hash, replica=item.replica_hash, on_record=on_record):
            case Soundness.SOURCE_ROTTED:
                return ROTTED
            case Soundness.BOTH_ROTTED:
                return BOTH_ROTTED
            case Soundness.REPLICA_ROTTED if _is_silent(item.stamp.path, found):
                self.rotted_replicas.append(item.stamp.path)
            case Soundness.SOUND:  # nothing else is proof enough to be put on record
                self._record.add(item.stamp, item.hash)
        return None

    def _rotted_unread(self, changes: list[Change], known: dict[bytes, bytes]) -> dict[bytes, str]:
        """Read the sources that a plan would copy over a replica though they are as on record."""
        if not changes:
            return {}
        with open_tree(self._job.source) as source:
            return {
                change.path: ROTTED
                for change in changes
                if self._has_rotted(source, change, known[change.path])
            }

    def _has_rotted(self, source: SourceTree, change: Change, on_record: bytes) -> bool:
        try:
            content = source.content(change.path, self._record.algorithm, check=self._check)
        except OSError:  # the copier meets it too, and tells
            return False
        stamp = Stamp.of(entry_of(change.path, content.status, None))
        return content.certain and stamp == Stamp.of(change.entry) and content.hash != on_record


def _is_silent(path: bytes, found: Found) -> bool:
    """Whether the content of a replica changed and its mtime did not."""
    return any(change.path == path and Aspect.MTIME not in change.aspects for change in found.changes)


def replicas_told(paths: list[bytes], *, copied: bool) -> str:
    """Say in a line which replicas have rotted."""
    others = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    then = "; copied again from the source, which is as on record" if copied else ""
    what = "bit rot: the content of a replica changed though its size and mtime did not"
    return f"{what}: '{shown(paths[0])}'{others}{then}"
