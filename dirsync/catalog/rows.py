"""Rows of a catalog's tables as the model's nouns, and back."""

from __future__ import annotations

import datetime
import functools
import itertools
from types import NoneType

from msgspec.structs import astuple

from dirsync.catalog.schema import CHANGE_COLUMNS, TOLD
from dirsync.catalog.seal import SEAL_BYTES
from dirsync.catalog.store import Row, Value
from dirsync.model.change import Aspect, ChangeKind
from dirsync.model.job import JobType, Severity
from dirsync.model.recorded import (
    Acceptance,
    CatalogJob,
    Recorded,
    RecordedChange,
    RecordedDirectory,
    RecordedRun,
)
from dirsync.model.result import Counts, Outcome

JOB_COLUMNS = (
    *("job_id", "name", "source", "machine", "began_at", "key_name", "scope"),
    *("next_directory", "next_change", "entries", "bytes_total", "seal", "last_run"),
    *("link", "change_link", "acceptance_link", "checkpoint_link", "head"),
)
ACCEPTANCE_COLUMNS = ("acceptance_id", "accepted_at", "who", "path", "last_change")
_COUNTS = tuple(name for name in Counts.__struct_fields__)
RUN_COLUMNS = (
    *("run_id", "type", "started_at", "finished_at", "outcome", *_COUNTS, "entries", "bytes_total"),
    *("bytes_added", "bytes_modified", "bytes_deleted", "is_baseline", "first_change", "last_change"),
    *("error", "notes"),
)
_ENTRY_TYPES = frozenset(
    (bytes, *(int,) * 7, *optional)
    for optional in itertools.product((bytes, NoneType), (bytes, NoneType), (int, NoneType))
)


def job_of(row: Row) -> CatalogJob:
    """Make a job of a row of `JOB_COLUMNS`."""
    values = dict(zip(JOB_COLUMNS, row, strict=True))
    last_run = values["last_run"]
    return CatalogJob(
        job_id=number(values["job_id"]),
        name=text(values["name"]),
        source=blob(values["source"]),
        machine=text(values["machine"]),
        began_at=moment(values["began_at"]),
        key_name=text(values["key_name"]),
        scope=blob(values["scope"]),
        next_directory=number(values["next_directory"]),
        next_change=number(values["next_change"]),
        entries=number(values["entries"]),
        bytes_total=number(values["bytes_total"]),
        seal=int.from_bytes(seal(values["seal"]), "big"),
        last_run=None if last_run is None else number(last_run),
        link=seal(values["link"]),
        change_link=seal(values["change_link"]),
        acceptance_link=seal(values["acceptance_link"]),
        checkpoint_link=seal(values["checkpoint_link"]),
        head=seal(values["head"]),
    )


def row_of_job(job: CatalogJob) -> Row:
    """Make a row of `JOB_COLUMNS`."""
    return (
        job.job_id,
        job.name,
        job.source,
        job.machine,
        written(job.began_at),
        job.key_name,
        job.scope,
        job.next_directory,
        job.next_change,
        job.entries,
        job.bytes_total,
        job.seal.to_bytes(SEAL_BYTES, "big"),
        job.last_run,
        job.link,
        job.change_link,
        job.acceptance_link,
        job.checkpoint_link,
        job.head,
    )


def directory_of(row: Row) -> RecordedDirectory:
    """Make a directory of a row of `DIRECTORY_COLUMNS`."""
    directory_id, path, digest, sum_, unseen, ino, mark = row
    return RecordedDirectory(
        number(directory_id),
        blob(path),
        None if digest is None else blob(digest),
        int.from_bytes(seal(sum_), "big"),
        None if unseen is None else number(unseen),
        number(ino),
        number(mark),
    )


def row_of_directory(directory: RecordedDirectory) -> Row:
    """Make a row of `DIRECTORY_COLUMNS`."""
    directory_id, path, digest, sum_, unseen, ino, mark = directory
    return directory_id, path, digest, sum_.to_bytes(SEAL_BYTES, "big"), unseen, ino, mark


def run_of(row: Row) -> RecordedRun:
    """Make a run of a row of `RUN_COLUMNS`."""
    values = dict(zip(RUN_COLUMNS, row, strict=True))
    return RecordedRun(
        run_id=number(values["run_id"]),
        type=JobType(values["type"]),
        started_at=moment(values["started_at"]),
        finished_at=moment(values["finished_at"]),
        outcome=Outcome(values["outcome"]),
        counts=Counts(**{name: number(values[name]) for name in _COUNTS}),
        entries=number(values["entries"]),
        bytes_total=number(values["bytes_total"]),
        bytes_added=number(values["bytes_added"]),
        bytes_modified=number(values["bytes_modified"]),
        bytes_deleted=number(values["bytes_deleted"]),
        is_baseline=bool(values["is_baseline"]),
        first_change=number(values["first_change"]),
        last_change=number(values["last_change"]),
        error=None if values["error"] is None else text(values["error"]),
        metadata=text(values["notes"]),
    )


def row_of_run(run: RecordedRun) -> Row:
    """Make a row of `RUN_COLUMNS`."""
    return (
        run.run_id,
        run.type.value,
        written(run.started_at),
        written(run.finished_at),
        run.outcome.value,
        *astuple(run.counts),
        run.entries,
        run.bytes_total,
        run.bytes_added,
        run.bytes_modified,
        run.bytes_deleted,
        int(run.is_baseline),
        run.first_change,
        run.last_change,
        run.error,
        run.metadata,
    )


def change_of(row: Row) -> RecordedChange:
    """Make a change of a row of `CHANGE_COLUMNS`, but for its link."""
    values = dict(zip(CHANGE_COLUMNS, row, strict=True))
    severity, old_path, accepted = values["severity"], values["old_path"], values["accepted_by"]
    return RecordedChange(
        change_id=number(values["change_id"]),
        run_id=number(values["run_id"]),
        path=blob(values["path"]),
        old_path=None if old_path is None else blob(old_path),
        kind=ChangeKind(values["kind"]),
        aspects=_aspects(text(values["aspects"])),
        severity=None if severity is None else Severity(severity),
        old=_told("old", values),
        new=_told("new", values),
        accepted_by=None if accepted is None else number(accepted),
        rotted=bool(values["rotted"]),
    )


@functools.lru_cache(maxsize=512)
def _aspects(listed: str) -> frozenset[Aspect]:
    return frozenset(map(Aspect, listed.split(",") if listed else ()))


@functools.lru_cache(maxsize=512)
def _listed(aspects: frozenset[Aspect]) -> str:
    return ",".join(aspect.value for aspect in Aspect if aspect in aspects)


def _told(side: str, values: dict[str, Value]) -> Recorded | None:
    if values[f"{side}_mode"] is None:
        return None
    mode, size, mtime_ns, uid, gid, target, hash_ = (values[f"{side}_{name}"] for name in TOLD)
    return Recorded(
        name=b"",
        mode=number(mode),
        size=number(size),
        mtime_ns=number(mtime_ns),
        ctime_ns=0,
        uid=number(uid),
        gid=number(gid),
        ino=0,
        target=None if target is None else blob(target),
        hash=None if hash_ is None else blob(hash_),
    )


def row_of_change(change: RecordedChange, link: bytes) -> Row:
    """Make a row of `CHANGE_COLUMNS`."""
    return (
        change.change_id,
        change.run_id,
        change.path,
        change.old_path,
        change.kind.value,
        _listed(change.aspects),
        None if change.severity is None else change.severity.value,
        int(change.rotted),
        *_columns_of(change.old),
        *_columns_of(change.new),
        change.accepted_by,
        link,
    )


def _columns_of(row: Recorded | None) -> Row:
    if row is None:
        return (None,) * len(TOLD)
    return row.mode, row.size, row.mtime_ns, row.uid, row.gid, row.target, row.hash


def acceptance_of(row: Row) -> Acceptance:
    """Make an acceptance of a row of `ACCEPTANCE_COLUMNS`."""
    acceptance_id, accepted_at, who, path, last_change = row
    return Acceptance(
        acceptance_id=number(acceptance_id),
        accepted_at=moment(accepted_at),
        who=text(who),
        path=blob(path),
        last_change=number(last_change),
    )


def row_of_acceptance(row: Acceptance) -> Row:
    """Make a row of `ACCEPTANCE_COLUMNS`."""
    return row.acceptance_id, written(row.accepted_at), row.who, row.path, row.last_change


def recorded_of(row: Row) -> Recorded:
    """Make an entry of a row of `ENTRY_COLUMNS`.

    Raises:
        ValueError: somebody else wrote it.
    """
    if tuple(map(type, row)) in _ENTRY_TYPES:
        return Recorded._make(row)
    raise ValueError(f"{row!r} is no entry")


def written(moment: datetime.datetime) -> str:
    """Write a moment so that its text sorts as it does."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="microseconds")


def moment(value: Value) -> datetime.datetime:
    """Give a value that is a moment, as `written`.

    Raises:
        ValueError: it is none, so somebody else wrote it.
    """
    try:
        found = datetime.datetime.fromisoformat(text(value))
        if written(found) == value:
            return found
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{value!r} stands where a moment should")


def seal(value: Value) -> bytes:
    """Give a value that is a seal or a link.

    Raises:
        ValueError: it is none.
    """
    if len(blob(value)) != SEAL_BYTES:
        raise ValueError(f"{value!r} stands where a seal should")
    return blob(value)


def number(value: Value) -> int:
    """Give a value that is a number.

    Raises:
        ValueError: it is none, so somebody else wrote it.
    """
    if not isinstance(value, int):
        raise ValueError(f"{value!r} stands where a number should")
    return value


def text(value: Value) -> str:
    """Give a value that is a text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} stands where a text should")
    return value


def blob(value: Value) -> bytes:
    """Give a value that is bytes.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, bytes):
        raise ValueError(f"{value!r} stands where bytes should")
    return value
