"""The symlink race: runs of ten kinds of operation while another user flips a parent directory.

Whatever he does, nothing outside the two roots may be read into the mirror, changed or
removed. A control does the same work by paths, as `shutil` does, and must lose.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from dirsync.model.job import DeletePolicy, PatternLine
from tests.jobs import run, sync_job
from tests.sweeps.attacker import ATTACKER, attacked
from tests.sweeps.gates import Counted, gated
from tests.sweeps.scenarios import NEW_NS, OLD_NS, new, old
from tests.sweeps.tally import Tally
from tests.trees import Children, Directory, File, Link, Node, ctimes, snapshot, tree

SECRET = b"what lies outside"
_RUNS_A_FIGHT = 4
_NAMES = tuple(f"{number:02}" for number in range(12))


def _all(node: Node) -> Children:
    return dict.fromkeys(_NAMES, node)


# What each kind of operation makes out of what, beneath the directory that is flipped.
KINDS: dict[str, tuple[Children, Children]] = {
    "create": (_all(new()), {}),
    "replace": (_all(new()), _all(old())),
    "delete": ({}, _all(old())),
    "make directories": (_all({}), {}),
    "remove directories": ({}, _all({})),
    "link": (_all(Link("new")), _all(Link("old"))),
    "mode": (_all(File(b"1", 0o600, OLD_NS)), _all(File(b"1", 0o644, OLD_NS))),
    "owner": (_all(File(b"1", 0o644, OLD_NS, uid=7)), _all(File(b"1", 0o644, OLD_NS, uid=0))),
    "time": (_all(Directory({}, 0o755, NEW_NS)), _all(Directory({}, 0o755, OLD_NS))),
    "kind": (_all({"f": new()}), _all(old())),
}


class Battlefield:
    """Two trees whose tops belong to the attacker, and what lies outside them."""

    def __init__(self, place: Path, kind: str) -> None:
        place.chmod(0o755)  # the attacker enters it
        self._place = place
        self._trees = KINDS[kind]
        self._number = 0
        bait = {name: File(SECRET, 0o640, OLD_NS) for name in _NAMES[:6]}
        self.outside = tree(place / "outside", {**bait, **{name: {"f": File(SECRET)} for name in _NAMES[6:]}})
        self._seen = ctimes(self.outside)

    def renewed(self) -> tuple[Path, Path]:
        """Give a new source and a new destination."""
        here = self._place / str(self._number)
        self._number += 1
        here.mkdir()
        return self._made(here / "source", self._trees[0]), self._made(here / "destination", self._trees[1])

    def _made(self, top: Path, children: Children) -> Path:
        tree(top, {"p": Directory(children, 0o755, OLD_NS), "q": Link(os.fsencode(self.outside))})
        os.chown(top, ATTACKER, ATTACKER)
        return top

    def is_outside_touched(self) -> bool:
        """Whether anything outside was changed, removed, or added to."""
        return ctimes(self.outside) != self._seen


@contextlib.contextmanager
def battlefield(kind: str) -> Iterator[Battlefield]:
    """Give a place for one kind of operation, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="race-", dir="/dev/shm") as place:
        yield Battlefield(Path(place), kind)


def sweep_race(kind: str, *, seconds: float) -> Tally:
    """Run one kind of operation under attack for so long; each run is a point."""
    tally = Tally(sweep=f"symlink race, {kind}", asked=1)
    counted = Counted()
    with battlefield(kind) as field, gated(counted):
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            wrong = _fight(field, tally)
            tally.violations += [f"{tally.sweep}: {what}" for what in wrong]
    tally.notes.append(", ".join(f"{count:,} {name}" for name, count in sorted(counted.kinds.items())))
    if not counted.passed:
        tally.violations.append(f"{tally.sweep}: no run changed anything, so nothing was tried")
    return tally


def _fight(field: Battlefield, tally: Tally) -> list[str]:
    """Run a few times under attack; tell what got out or in."""
    source, destination = field.renewed()
    excluded = tuple(PatternLine(line, "race", 1) for line in (b"/q", b"/junk-*"))
    job = structs.replace(sync_job(source, destination), exclude=excluded, delete=DeletePolicy.REMOVE)
    with attacked([source, destination], outside=field.outside):
        for _ in range(_RUNS_A_FIGHT):
            run(job, state=source.parent / "state")
            tally.points += 1
    wrong = [f"read from outside: {path!r}" for path in _secrets(destination)]
    if field.is_outside_touched():
        wrong.append("something outside was changed")
    shutil.rmtree(source.parent)
    return wrong


def _secrets(top: Path) -> list[bytes]:
    """List the files that hold what lies outside; symlinks are not followed."""
    return [
        path
        for path, seen in snapshot(top).items()
        if seen.kind == "file" and seen.size == len(SECRET)  # no file of ours is of this size
    ]


def seconds_until_control_loses(*, patience_seconds: float) -> float | None:
    """Copy by paths under the same attack until something outside is changed; None: nothing was."""
    with battlefield("replace") as field:
        source, destination = field.renewed()
        began_at = time.monotonic()
        with attacked([source, destination], outside=field.outside):
            while time.monotonic() - began_at < patience_seconds:
                with contextlib.suppress(OSError, shutil.Error):
                    shutil.copytree(source / "p", destination / "p", dirs_exist_ok=True)
                if field.is_outside_touched():
                    return time.monotonic() - began_at
    return None
