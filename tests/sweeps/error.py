"""The error sweep: every system call that a run makes on our files fails, in every way.

The whole program runs under strace. An undisturbed run tells which calls it makes on the
two trees, the state and jobs.yaml, and the how many-th of its kind each is; each point
then makes one of them fail, or it and all of its kind that follow. A call that turns
out to fall elsewhere (on the interpreter's own files) makes no point.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dirsync.model.result import Outcome
from tests.jobs import run, sync_job
from tests.program import jobs_file
from tests.sweeps.judging import mirrored, torn, unlike
from tests.sweeps.scenarios import NEW_NS, OLD_NS, Scenario, new, old
from tests.sweeps.tally import Tally
from tests.sweeps.tracing import Call, Traced, TracedProgram, traced_program
from tests.trees import Directory, File, HardLink, Link, Snapshot, snapshot, tree

EVERYTHING = Scenario(
    name="everything at once",
    source={
        "same": old(),
        "replaced": new(),
        "created": {"d": {"f": new()}},
        "link": Link("new"),
        "mode": File(b"1", 0o600, OLD_NS),
        "owner": File(b"1", 0o644, OLD_NS, uid=1000),
        "file to directory": {"f": new()},
        "directory to file": new(),
        "link to file": new(),
        "large": new(b"x" * 40_000),
        "hole": File(b"x", mtime_ns=NEW_NS, offset=1 << 20, size=2 << 20),
        "same too": HardLink("same"),
        "created too": HardLink("replaced"),
        "mode too": HardLink("mode"),
        "dressed": Directory(
            {"f": File(b"1", 0o600, OLD_NS, xattrs={"user.a": b"new"})},
            mtime_ns=NEW_NS,
            xattrs={"user.d": b"1"},
        ),
    },
    destination={
        "same": old(),
        "replaced": old(),
        "gone": {"d": {"f": old()}},
        "link": Link("old"),
        "mode": File(b"1", 0o644, OLD_NS),
        "owner": File(b"1", 0o644, OLD_NS, uid=0),
        "file to directory": old(),
        "directory to file": {"f": old()},
        "link to file": Link("x"),
        "other name": HardLink("mode"),
        "large": old(b"y" * 30_000),
        "same too": old(),
        "mode too": HardLink("mode"),
        "dressed": Directory(
            {"f": File(b"1", 0o644, OLD_NS, xattrs={"user.a": b"old", "user.gone": b"0"})}, mtime_ns=OLD_NS
        ),
    },
)
ERRORS = ("EIO", "ENOSPC", "EACCES", "EROFS", "EMFILE", "EINTR")
_ONCE, _EVER_AFTER = "", "+"
_ENDLESS = frozenset({"EINTR"})  # a call that is interrupted for ever is repeated for ever, as it should be


class Point(NamedTuple):
    """One call, and how it fails."""

    call: Call
    error: str
    times: str

    def __str__(self) -> str:
        return f"inject={self.call.name}:error={self.error}:when={self.call.number}{self.times}"


class ErrorSweep:
    """A jobs.yaml and its trees, made anew for each run of the program."""

    def __init__(self, folder: Path, program: TracedProgram) -> None:
        self._folder = folder
        self._program = program

    def points(self) -> list[Point]:
        """List every way in which an undisturbed run could have been disturbed."""
        self._renew()
        return [
            Point(call, error, times)
            for call, error, times in itertools.product(self._program.calls(), ERRORS, (_ONCE, _EVER_AFTER))
            if not (error in _ENDLESS and times == _EVER_AFTER)
        ]

    def try_point(self, point: Point, tally: Tally) -> None:
        """Let one call fail, judge what is there, run undisturbed and judge again."""
        self._renew()
        traced = self._program.run_failing(point.call, error=point.error, times=point.times)
        if traced.injected:
            tally.point(str(point), [*self._wrong(traced), *self._not_recovered()])

    def _renew(self) -> None:
        self._wanted, self._before = renewed(self._folder)

    def _wrong(self, traced: Traced) -> Iterator[str]:
        if traced.hung or traced.code < 0:
            yield f"it hung, or was killed: {traced.code}"
        if "Traceback" in traced.stderr:
            yield f"a traceback, exit {traced.code}: {traced.stderr[-600:]}"
        yield from (f"torn: {path!r}: {what}" for path, what in self._torn().items())
        if traced.code == 0:
            yield from (f"exit 0, but {what}" for what in unlike(self._wanted, self._folder / "d"))
        if snapshot(self._folder / "s") != self._wanted:
            yield "the source was changed"

    def _torn(self) -> dict[bytes, object]:
        return torn(self._before, self._wanted, mirrored(self._folder / "d"))

    def _not_recovered(self) -> Iterator[str]:
        """Run without the program's own start, which costs the most."""
        job = sync_job(self._folder / "s", self._folder / "d")
        outcome = run(job, state=self._folder / "state").outcome
        if outcome is not Outcome.SUCCEEDED:
            yield f"the rerun ended as {outcome.value}"
        yield from unlike(self._wanted, self._folder / "d")


def renewed(folder: Path) -> tuple[Snapshot, Snapshot]:
    """Make jobs.yaml and the trees as they were before the first run; give both trees."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    wanted = snapshot(tree(folder / "s", Directory(EVERYTHING.source, mtime_ns=NEW_NS)))
    before = snapshot(tree(folder / "d", Directory(EVERYTHING.destination, mtime_ns=OLD_NS)))
    jobs_file(folder, workers=1, durability="full", retries={"attempts": 2, "wait": "1ms"})
    return wanted, before


def sweep_errors(*, asked: int, share: int = 0, shares: int = 1) -> Tally:
    """Make every point, or about `asked` of them; of several workers, each does its share."""
    tally = Tally(sweep="error", asked=asked // shares)
    with tempfile.TemporaryDirectory(prefix="sweep-", dir="/dev/shm") as place:
        folder = Path(place, "dirsync-error-sweep")  # a name that no other path has in it
        renewed(folder)
        command = ["-c", str(folder / "jobs.yaml"), "--now", "--progress", "none"]
        with traced_program(folder, command) as program:
            sweep = ErrorSweep(folder, program)
            points = sweep.points()
            step = max(1, len(points) // max(1, asked))
            for point in points[::step][share::shares]:
                sweep.try_point(point, tally)
    return tally
