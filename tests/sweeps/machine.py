"""A state machine: whatever a user and the machine do between two runs, a run makes it good.

The rules edit, create, delete, rename, swap kinds, change modes and link, at the source
and at the destination; runs are undisturbed, refused at an operation, or killed there.
A model in memory says what the source must hold, so that a run which alters its source
is caught too.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from dirsync.model.result import Outcome
from tests.jobs import run, sync_job
from tests.sweeps.gates import Refused, gated, was_killed
from tests.sweeps.judging import mirrored, torn, unlike
from tests.sweeps.tally import Tally
from tests.trees import Seen, ctimes, snapshot, tree

_NAMES = st.sampled_from([b"a", b"b", b"c", b"n" * 255, b"\xff new\n"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map(b"/".join)
_SIZES = st.integers(0, 3)
_OPERATIONS = st.integers(0, 25)
_REFUSALS = st.sampled_from([5, 13, 28, 30])  # EIO, EACCES, ENOSPC, EROFS

_STEPS = 30

Content = tuple[str, int, bytes]  # kind; mode (0 of a symlink); bytes of a file or target of a symlink


class MirrorMachine(RuleBasedStateMachine):
    """One job, the model of its source, and what lies outside both trees."""

    syncs = 0  # of all examples: what a sweep counts

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="machine-", dir="/dev/shm"))
        self.source = os.fsencode(tree(self.place / "source", {}))
        self.destination = tree(self.place / "destination", {})
        self.outside = tree(self.place / "outside", {"a": b"kept", "d": {"b": b"kept"}})
        self.untouched = ctimes(self.outside)
        self.model: dict[bytes, Content] = {}
        self.job = sync_job(self.place / "source", self.destination)
        self.numbers = itertools.count()

    def teardown(self) -> None:
        """Take the place away."""
        shutil.rmtree(self.place)

    # What a user does at the source

    @rule(path=_PATHS, size=_SIZES)
    def write_file(self, path: bytes, size: int) -> None:
        """Create a file or replace what is there; no two files ever hold the same bytes."""
        if self._make_room(path):
            data = b"%d" % next(self.numbers) * (1 + size)
            _write(self._at(path), data)
            self.model[path] = ("file", 0o644, data)

    @rule(path=_PATHS)
    def make_directory(self, path: bytes) -> None:
        """Make a directory in place of whatever is there."""
        if self._make_room(path):
            os.mkdir(self._at(path), 0o755)
            self.model[path] = ("directory", 0o755, b"")

    @rule(path=_PATHS, upwards=st.booleans())
    def make_link(self, path: bytes, upwards: bool) -> None:
        """Make a symlink in place of whatever is there; it may lead outside."""
        if self._make_room(path):
            target = b"../outside/d" if upwards else b"a"
            os.symlink(target, self._at(path))
            self.model[path] = ("symlink", 0, target)

    @rule(path=_PATHS, other=_PATHS)
    def link_file(self, path: bytes, other: bytes) -> None:
        """Give a file another name."""
        there = self.model.get(path)
        apart = not (path + b"/").startswith(other + b"/")
        if there is not None and there[0] == "file" and apart and self._make_room(other):
            os.link(self._at(path), self._at(other))
            self.model[other] = there

    @rule(path=_PATHS, data=st.binary(min_size=1, max_size=4))
    def edit_in_place(self, path: bytes, data: bytes) -> None:
        """Write to a file under all its names."""
        if path in self.model and self.model[path][0] == "file":
            with open(self._at(path), "ab") as file:
                file.write(data)
            self._tell_names(path, lambda there: (there[0], there[1], there[2] + data))

    @rule(path=_PATHS)
    def delete(self, path: bytes) -> None:
        """Remove what is there, with all that it holds."""
        if path in self.model:
            self._remove(path)

    @rule(path=_PATHS, other=_PATHS)
    def rename(self, path: bytes, other: bytes) -> None:
        """Give an object another place."""
        apart = not (other + b"/").startswith(path + b"/") and not (path + b"/").startswith(other + b"/")
        if path in self.model and apart and self._make_room(other):
            os.rename(self._at(path), self._at(other))
            for old in [old for old in self.model if old == path or old.startswith(path + b"/")]:
                self.model[other + old[len(path) :]] = self.model.pop(old)

    @rule(path=_PATHS, other=_PATHS)
    def swap(self, path: bytes, other: bytes) -> None:
        """Have two objects, of any kinds, change places."""
        apart = not (other + b"/").startswith(path + b"/") and not (path + b"/").startswith(other + b"/")
        if path in self.model and other in self.model and apart:
            aside = self.source + b"/aside"
            os.rename(self._at(path), aside)
            os.rename(self._at(other), self._at(path))
            os.rename(aside, self._at(other))
            self.model = {_swapped(name, path, other): there for name, there in self.model.items()}

    @rule(path=_PATHS, mode=st.sampled_from([0o600, 0o644, 0o755, 0o555, 0o4711]))
    def change_mode(self, path: bytes, mode: int) -> None:
        """Change the mode of a file or a directory."""
        if path in self.model and self.model[path][0] != "symlink":
            os.chmod(self._at(path), mode)
            self._tell_names(path, lambda there: (there[0], mode, there[2]))

    # What somebody does at the destination

    @rule(path=_PATHS)
    def vandalize(self, path: bytes) -> None:
        """Remove an object of the destination, or put one where none belongs; neither through a link."""
        there = os.fsencode(self.destination) + b"/" + path
        if _leads_outside(there, self.destination):
            return
        if os.path.lexists(there):
            _remove(there)
        elif os.path.isdir(os.path.dirname(there)):
            _write(there, b"not of the source")

    # Runs

    @rule()
    def sync(self) -> None:
        """Run undisturbed: both trees agree, and again is nothing to do."""
        assert run(self.job, state=self.place / "state").outcome is Outcome.SUCCEEDED
        self._must_agree()
        MirrorMachine.syncs += 1

    @rule(at=_OPERATIONS, number=_REFUSALS, ever_after=st.booleans())
    def sync_refused(self, at: int, number: int, ever_after: bool) -> None:
        """Run while the system refuses an operation: nothing is torn, and success is no lie."""
        before = mirrored(self.destination)
        with gated(Refused(at, number=number, ever_after=ever_after)):
            outcome = run(self.job, state=self.place / "state").outcome
        assert not torn(before, snapshot(self.job_source), mirrored(self.destination))
        if outcome is Outcome.SUCCEEDED:
            self._must_agree()

    @rule(at=_OPERATIONS)
    def sync_killed(self, at: int) -> None:
        """Run and be killed: nothing is torn."""
        before = mirrored(self.destination)
        was_killed(self.job, at=at, state=self.place / "state")
        assert not torn(before, snapshot(self.job_source), mirrored(self.destination))

    # The model

    @property
    def job_source(self) -> Path:
        """The source, as the tests' own functions want it."""
        return self.place / "source"

    def _must_agree(self) -> None:
        assert _contents(self.source, self.job_source) == self.model
        assert unlike(snapshot(self.job_source), self.destination) == []
        assert ctimes(self.outside) == self.untouched

    def _at(self, path: bytes) -> bytes:
        return self.source + b"/" + path

    def _make_room(self, path: bytes) -> bool:
        """Have nothing at a path; False: its parent is no directory."""
        parent = path.rpartition(b"/")[0]
        if parent and self.model.get(parent, ("",))[0] != "directory":
            return False
        if path in self.model:
            self._remove(path)
        return True

    def _remove(self, path: bytes) -> None:
        _remove(self._at(path))
        for gone in [gone for gone in self.model if gone == path or gone.startswith(path + b"/")]:
            del self.model[gone]

    def _tell_names(self, path: bytes, change: Callable[[Content], Content]) -> None:
        """Change what the model holds of a file, under each of its names."""
        inode = os.lstat(self._at(path)).st_ino
        for name, there in self.model.items():
            if os.lstat(self._at(name)).st_ino == inode:
                self.model[name] = change(there)


def sweep_sequences(*, asked: int) -> Tally:
    """Try so many sequences; a point is a run that made everything agree."""
    tally = Tally(sweep="state machine", asked=asked)
    before = MirrorMachine.syncs
    chosen = settings(
        max_examples=asked,
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(MirrorMachine, settings=chosen)
    except AssertionError as error:
        notes = "\n".join(getattr(error, "__notes__", ()))  # the shortest sequence that fails
        tally.violations.append(f"{error}\n{notes}")
    tally.points = MirrorMachine.syncs - before
    return tally


def _swapped(name: bytes, one: bytes, other: bytes) -> bytes:
    """Give the name a path has after two others have changed places."""
    for old, new in ((one, other), (other, one)):
        if name == old or name.startswith(old + b"/"):
            return new + name[len(old) :]
    return name


def _leads_outside(path: bytes, top: Path) -> bool:
    """Whether a parent of a path is a symlink."""
    return os.path.realpath(os.path.dirname(path)) != os.path.dirname(path) or not path.startswith(
        os.fsencode(top)
    )


def _write(path: bytes, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
    os.chmod(path, 0o644)


def _remove(path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _contents(top: bytes, shown: Path) -> dict[bytes, Content]:
    """Say what a tree holds in the words of the model."""
    return {path: _content(top + b"/" + path, seen) for path, seen in snapshot(shown).items() if path}


def _content(path: bytes, seen: Seen) -> Content:
    if seen.kind == "file":
        with open(path, "rb") as file:
            return ("file", seen.mode, file.read())
    return (seen.kind, 0 if seen.kind == "symlink" else seen.mode, seen.target or b"")
