"""Changes of a catalog as lines, in the words of the run that recorded them."""

from __future__ import annotations

from dirsync.cli.output.machine import Fields, moment, path_fields
from dirsync.cli.output.reasons import change_line
from dirsync.cli.output.tones import Tone, toned
from dirsync.model.change import Aspect, Change
from dirsync.model.job import JobType, Severity
from dirsync.model.recorded import Recorded, RecordedChange, RecordedRun


def recorded_line(change: RecordedChange, *, verbose: bool) -> str:
    """Write one change on one line, with what matters about it; all of that if `verbose`."""
    line = change_line(told_change(change), job_type=JobType.TRACK)
    notes = [note for note in _notes(change, verbose=verbose) if note]
    return f"{line}  {', '.join(notes)}" if notes else line


def _notes(change: RecordedChange, *, verbose: bool) -> list[str]:
    if change.severity is None:
        return []
    is_open = change.accepted_by is None
    notes = [toned("bit rot", Tone.BAD)] if change.rotted else []
    if verbose or change.severity is Severity.CRITICAL:
        notes.append(toned(change.severity.value, Tone.BAD if is_open else Tone.FAINT))
    if verbose:
        notes.append("open" if is_open else "accepted")
    return [f"[{', '.join(notes)}]"] if notes else []


def told_change(change: RecordedChange) -> Change:
    """Give a change as the run told it; where a sync job did not say what was there, as little as that."""
    old_path = change.path if change.old_path is None else change.old_path
    old, new = change.old, change.new
    if old is None and new is None:
        new = _NOT_TOLD
    return Change(
        change.kind,
        None if old is None else old.entry(old_path),
        None if new is None else new.entry(change.path),
        change.aspects if None not in (old, new) else frozenset(),
    )


_NOT_TOLD = Recorded(b"", 0, 0, 0, 0, 0, 0, 0, None)


def recorded_fields(change: RecordedChange, run: RecordedRun | None, *, job: str) -> Fields:
    """Describe one change for machines: what a run tells, and what the catalog knows besides."""
    return {
        "event": "change",
        "job": job,
        "run_id": change.run_id,
        "at": None if run is None else moment(run.started_at),
        "change_id": change.change_id,
        "kind": change.kind.value,
        **path_fields("path", change.path),
        "old_path": None,
        **({} if change.old_path is None else path_fields("old_path", change.old_path)),
        "aspects": [aspect.value for aspect in Aspect if aspect in change.aspects],
        "severity": None if change.severity is None else change.severity.value,
        "open": change.severity is not None and change.accepted_by is None,
        "rotted": change.rotted,
        "old": _entry_fields(change.old),
        "new": _entry_fields(change.new),
    }


def _entry_fields(row: Recorded | None) -> Fields | None:
    if row is None:
        return None
    return {
        "kind": row.kind.value,
        "size": row.size,
        "mtime_ns": row.mtime_ns,
        "mode": row.mode & 0o7777,
        "uid": row.uid,
        "gid": row.gid,
        "target": None,
        **({} if row.target is None else path_fields("target", row.target)),
        "hash": None if row.hash is None else row.hash.hex(),
    }
