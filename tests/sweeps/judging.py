"""What must hold of a destination after a run that was cut off, and after the next one."""

from __future__ import annotations

from pathlib import Path

from dirsync.model.job import MirrorJob
from dirsync.model.place import RESERVED
from dirsync.model.result import Outcome
from dirsync.runner.ledger import open_ledger
from dirsync.trees import fsops
from tests.jobs import run
from tests.trees import Seen, Snapshot, differences, snapshot


def torn(before: Snapshot, wanted: Snapshot, now: Snapshot) -> dict[bytes, object]:
    """Give the paths that are neither as they were nor as they shall be; temporary files aside.

    In a directory that is new, a path may be as it was in one that goes, for that may have been renamed.
    """
    mine = {path for path in now if is_own_path(path)}
    going = {path for path, seen in before.items() if seen.kind == "directory" and path not in wanted}
    return {
        path: (content(before.get(path)), content(now.get(path)), content(wanted.get(path)))
        for path in (before.keys() | wanted.keys() | now.keys()) - mine
        if content(now.get(path)) not in (content(before.get(path)), content(wanted.get(path)))
        and content(now.get(path)) not in _as_it_was_elsewhere(path, before, wanted, going=going)
    }


def _as_it_was_elsewhere(
    path: bytes, before: Snapshot, wanted: Snapshot, *, going: set[bytes]
) -> list[object]:
    """Give what may be at a path because a directory above it is one that was renamed."""
    above = [path[:position] for position, byte in enumerate(path) if byte == 0x2F]
    new = [parent for parent in above if parent in wanted and parent not in before]
    return [content(before.get(old + path[len(parent) :])) for parent in new for old in going]


def is_own_path(path: bytes) -> bool:
    """Whether a path is the program's own: temporary, or in its folder."""
    names = path.split(b"/")
    return names[0] == RESERVED or any(fsops.is_temporary(name) for name in names)


def content(seen: Seen | None) -> object:
    """Give what must never be torn: the kind, and the bytes or the target."""
    return None if seen is None else (seen.kind, seen.size, seen.target, seen.content)


def mirrored(destination: Path) -> Snapshot:
    """Say what a destination holds, but for the folder that is the program's own."""
    return {path: seen for path, seen in snapshot(destination).items() if path.split(b"/", 1)[0] != RESERVED}


def unlike(wanted: Snapshot, destination: Path) -> list[str]:
    """Tell in what a destination differs from what a run should have made of it, temporary files too."""
    found = differences(wanted, mirrored(destination))
    return [f"not converged: {path!r}: {sides}" for path, sides in found.items()]


def recovered(job: MirrorJob, *, state: Path, wanted: Snapshot, destination: Path, crashed: int) -> list[str]:
    """Run again what was cut off `crashed` times in a row; tell what is wrong afterwards.

    A lock that somebody had to remove by hand would show as a run that is skipped.
    """
    result = run(job, state=state)
    wrong = unlike(wanted, destination)
    if result.outcome is not Outcome.SUCCEEDED:
        wrong.append(f"the rerun ended as {result.outcome.value}: {result.error}")
    return wrong + _ledger_is_wrong(job, state=state, crashed=crashed)


def _ledger_is_wrong(job: MirrorJob, *, state: Path, crashed: int) -> list[str]:
    with open_ledger(str(state)) as ledger:
        outcomes = [recorded.outcome for recorded in ledger.runs(job.name, limit=1 + crashed)]
    expected = [Outcome.SUCCEEDED] + [Outcome.CRASHED] * crashed
    return [] if outcomes == expected else [f"the ledger says {outcomes}, not {expected}"]
