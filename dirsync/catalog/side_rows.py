"""Rows of checkpoints, and of hashes that wait for the next run."""

from __future__ import annotations

from dirsync.catalog.rows import blob, moment, number, seal, written
from dirsync.catalog.store import Row
from dirsync.model.content import Stamp
from dirsync.model.recorded import Checkpoint

CHECKPOINT_COLUMNS = ("made_at", "run_id", "run_link", "change_id", "change_link", "link")
HASHED_COLUMNS = ("path", "size", "mtime_ns", "ctime_ns", "hash", "hashed_at", "seal")


def checkpoint_of(row: Row) -> Checkpoint:
    """Make a checkpoint of a row of `CHECKPOINT_COLUMNS`."""
    made_at, run_id, run_link, change_id, change_link, link = row
    return Checkpoint(
        made_at=moment(made_at),
        run_id=number(run_id),
        run_link=seal(run_link),
        change_id=number(change_id),
        change_link=seal(change_link),
        link=seal(link),
    )


def row_of_checkpoint(checkpoint: Checkpoint) -> Row:
    """Make a row of `CHECKPOINT_COLUMNS`."""
    return (
        written(checkpoint.made_at),
        checkpoint.run_id,
        checkpoint.run_link,
        checkpoint.change_id,
        checkpoint.change_link,
        checkpoint.link,
    )


def hashed_of(row: Row) -> tuple[Stamp, bytes, int, bytes]:
    """Make a stamp, its hash, when that was made, and their seal of a row of `HASHED_COLUMNS`."""
    path, size, mtime_ns, ctime_ns, hash_, hashed_at, sealed = row
    stamp = Stamp(blob(path), number(size), number(mtime_ns), number(ctime_ns))
    return stamp, blob(hash_), number(hashed_at), blob(sealed)
