"""A plan that is held, and its approval: its very steps, each only where nothing has changed since."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dirsync.errors import RunError
from dirsync.model.change import Change, Failure
from dirsync.model.job import DeletePolicy, Guard, Limit, MirrorJob, OnTrip, PatternLine
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.plan import spill
from dirsync.runner.held import held_plan, is_held
from dirsync.runner.observer import Silent
from dirsync.runner.run import approve_job, run_job
from dirsync.trees import fsops
from dirsync.trees.handles import ancestors
from tests.jobs import sync_job
from tests.program import bound
from tests.trees import Children, Directory, File, Link, Seen, Snapshot, snapshot, tree

OLD = 1_600_000_000_000_000_000


class Watched(Silent):
    """An observer that remembers."""

    def __init__(self) -> None:
        self.changes: dict[bytes, Change] = {}
        self.failures: dict[bytes, str] = {}
        self.notices: list[str] = []

    def changed(self, change: Change) -> None:
        self.changes[change.path] = change

    def failed(self, failure: Failure) -> None:
        self.failures[failure.path] = failure.reason

    def noticed(self, text: str) -> None:
        self.notices.append(text)


def guarded(place: Path, *, on_trip: OnTrip = OnTrip.HOLD) -> MirrorJob:
    """Declare a mirror in which every deletion trips a guard."""
    guard = Guard(max_delete=Limit(absolute=0), min_free=None, source_not_empty=False, on_trip=on_trip)
    return structs.replace(sync_job(place / "s", place / "d"), guard=guard)


def run(job: MirrorJob, place: Path, *, dry_run: bool = False, saves_plan: bool = False) -> RunResult:
    state = str(place / "state")
    return run_job(job, state=state, observer=Silent(), stop=Stop(), dry_run=dry_run, saves_plan=saves_plan)


def approve(job: MirrorJob, place: Path, *, dry_run: bool = False) -> tuple[RunResult, Watched]:
    watched = Watched()
    result = approve_job(job, state=str(place / "state"), observer=watched, stop=Stop(), dry_run=dry_run)
    return result, watched


def held_file(place: Path) -> Path:
    return place / "state" / "held" / "mirror"


def held(place: Path, **declared: object) -> MirrorJob:
    """Build two trees that differ in every way, and have their plan held."""
    tree(
        place / "s",
        {
            "new": b"new",
            "newdir": Directory({"f": b"x", "sub": {"g": b"y"}}, mtime_ns=OLD),
            "changed": File(b"newer", mtime_ns=OLD),
            "meta": File(b"m", mode=0o600, mtime_ns=OLD),
            "link": Link("changed"),
            "kept": {"stays": File(b"x", mtime_ns=OLD)},
            "swap": {"in": b"it"},
        },
    )
    tree(
        place / "d",
        {
            "changed": b"old",
            "meta": File(b"m", mode=0o644, mtime_ns=OLD),
            "gone": b"g",
            "gonedir": {"a": b"1", "sub": {"b": b"2"}},
            "kept": {"stays": File(b"x", mtime_ns=OLD), "gone": b"g"},
            "swap": b"a file",
        },
    )
    job = structs.replace(guarded(place), **declared)
    assert run(job, place).outcome is Outcome.HELD
    return job


def test_tripped_guard_holds_the_plan_and_its_approval_makes_the_trees_equal(tmp_path: Path) -> None:
    job = held(tmp_path)
    about = held_plan(str(tmp_path / "state"), "mirror")
    result, watched = approve(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert snapshot(tmp_path / "d") == snapshot(tmp_path / "s")
    assert about is not None
    assert about.reason is not None
    assert "max_delete" in about.reason
    assert structs.replace(result.counts, scanned=0) == structs.replace(about.counts, scanned=0)
    assert len(watched.changes) == result.counts.changes
    assert run(job, tmp_path).counts == Counts(scanned=12)


def test_message_names_the_guard_and_the_way_on(tmp_path: Path) -> None:
    job = structs.replace(guarded(tmp_path), name="two words")
    tree(tmp_path / "s", {})
    tree(tmp_path / "d", {"gone": b"gone"})
    error = run(job, tmp_path).error

    assert error is not None
    assert "guard max_delete: 1 of 1 entries" in error
    assert error.endswith("approve it with: dirsync approve 'two words'")


def test_held_plan_is_its_owners_alone(tmp_path: Path) -> None:
    held(tmp_path)

    assert stat.S_IMODE(held_file(tmp_path).stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "state" / "held") == ["mirror"]


def test_guard_that_fails_holds_nothing(tmp_path: Path) -> None:
    tree(tmp_path / "s", {})
    tree(tmp_path / "d", {"gone": b"gone"})
    result = run(guarded(tmp_path, on_trip=OnTrip.FAIL), tmp_path)

    assert result.outcome is Outcome.HELD
    assert not is_held(str(tmp_path / "state"), "mirror")


def test_dry_run_stores_its_plan_only_when_asked_to(tmp_path: Path) -> None:
    job = sync_job(tree(tmp_path / "s", {"a": b"x"}), tree(tmp_path / "d", {}))
    run(job, tmp_path, dry_run=True)
    before = is_held(str(tmp_path / "state"), "mirror")
    run(job, tmp_path, dry_run=True, saves_plan=True)

    assert not before
    assert approve(job, tmp_path)[0].counts.created == 1
    assert snapshot(tmp_path / "d") == snapshot(tmp_path / "s")


def test_run_that_succeeds_ends_the_holding_and_one_that_fails_does_not(tmp_path: Path) -> None:
    job = held(tmp_path)
    lenient = structs.replace(job, guard=Guard(max_delete=None))
    os.rename(tmp_path / "s", tmp_path / "away")
    failed = run(lenient, tmp_path).outcome
    still = is_held(str(tmp_path / "state"), "mirror")
    os.rename(tmp_path / "away", tmp_path / "s")

    assert (failed, still) == (Outcome.FAILED, True)
    assert run(lenient, tmp_path).outcome is Outcome.SUCCEEDED
    assert not is_held(str(tmp_path / "state"), "mirror")


def test_plan_is_approved_once(tmp_path: Path) -> None:
    job = held(tmp_path)
    approve(job, tmp_path)
    again, _ = approve(job, tmp_path)

    assert again.outcome is Outcome.FAILED
    assert again.error == "'mirror': its plan is held no more"


def test_dry_run_of_an_approval_lists_the_steps_and_leaves_them_held(tmp_path: Path) -> None:
    job = held(tmp_path)
    before = snapshot(tmp_path / "d")
    result, watched = approve(job, tmp_path, dry_run=True)

    assert result.outcome is Outcome.SUCCEEDED
    assert watched.changes.keys() >= {b"new", b"gone", b"gonedir/sub/b", b"meta"}
    assert snapshot(tmp_path / "d") == before
    assert is_held(str(tmp_path / "state"), "mirror")


def test_nothing_else_is_done_than_what_was_held(tmp_path: Path) -> None:
    """What came into either tree since is for the next run."""
    job = held(tmp_path)
    (tmp_path / "s" / "kept" / "later").write_bytes(b"x")
    (tmp_path / "s" / "newdir" / "later").write_bytes(b"x")
    (tmp_path / "d" / "surplus").write_bytes(b"x")
    result, watched = approve(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert set(watched.failures) == {b"kept", b"newdir", b""} & set(watched.failures) | {b"kept", b"newdir"}
    assert (tmp_path / "d" / "surplus").exists()
    assert not (tmp_path / "d" / "kept" / "later").exists()
    assert not (tmp_path / "d" / "newdir" / "later").exists()
    assert (tmp_path / "d" / "newdir" / "sub" / "g").read_bytes() == b"y"


def _rewrite(path: Path) -> None:
    """Change a file, and give it the size and the time it had."""
    status = path.stat()
    path.write_bytes(b"z" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _but_times(seen: Seen | None) -> Seen | None:
    """Say what is at a path, but for the time that a change beneath it leaves on a directory."""
    return seen._replace(mtime_ns=0) if seen is not None and seen.kind == "directory" else seen


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        (lambda s, d: _rewrite(s / "new"), b"new", "changed in the source since"),
        (lambda s, d: (s / "new").unlink(), b"new", "changed in the source since"),
        (lambda s, d: os.replace(s / "kept" / "stays", s / "changed"), b"changed", "changed in the source"),
        (lambda s, d: (s / "meta").chmod(0o640), b"meta", "changed in the source since"),
        (lambda s, d: (s / "gone").write_bytes(b"g"), b"gone", "is in the source again"),
        (lambda s, d: tree(s, {"gonedir": {"sub": {}}}), b"gonedir/sub", "is in the source again"),
        (lambda s, d: (d / "gone").write_bytes(b"edited"), b"gone", "changed at the destination since"),
        (lambda s, d: (d / "new").write_bytes(b"mine"), b"new", "appeared at the destination since"),
        (lambda s, d: (d / "changed").write_bytes(b"mine"), b"changed", "changed at the destination since"),
        (lambda s, d: (s / "newdir").rename(s / "other"), b"newdir", "changed in the source since"),
    ],
)
def test_step_whose_source_or_destination_changed_is_refused_and_the_others_are_done(
    tmp_path: Path, change: Callable[[Path, Path], None], path: bytes, reason: str
) -> None:
    job = held(tmp_path)
    change(tmp_path / "s", tmp_path / "d")
    before = snapshot(tmp_path / "d")
    result, watched = approve(job, tmp_path)
    after = snapshot(tmp_path / "d")

    assert result.outcome is Outcome.PARTIAL
    assert reason in watched.failures[path]
    assert _but_times(after.get(path)) == _but_times(before.get(path))
    assert after[b"swap/in"] == snapshot(tmp_path / "s")[b"swap/in"]
    assert not is_held(str(tmp_path / "state"), "mirror")


def test_deletion_of_what_is_excluded_needs_no_absence(tmp_path: Path) -> None:
    exclude = (PatternLine(b"*.o", "jobs.yaml", 1), PatternLine(b"/cache/", "jobs.yaml", 2))
    tree(tmp_path / "s", {"a.o": b"x", "cache": {"f": b"x"}, "b": b"x"})
    tree(tmp_path / "d", {"a.o": b"x", "cache": {"f": b"x"}, "c": b"x"})
    job = structs.replace(guarded(tmp_path), exclude=exclude, delete_excluded=True)
    run(job, tmp_path)
    result, _ = approve(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert os.listdir(tmp_path / "d") == ["b"]


def test_path_given_up_by_the_plan_is_given_up_by_its_approval(tmp_path: Path) -> None:
    exclude = (PatternLine(b"/way/keep", "jobs.yaml", 1),)
    tree(tmp_path / "s", {"way": b"a file"})
    tree(tmp_path / "d", {"way": {"keep": b"x"}, "gone": b"gone"})
    job = structs.replace(guarded(tmp_path), exclude=exclude)
    run(job, tmp_path)
    result, watched = approve(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert set(watched.failures) == {b"way"}
    assert snapshot(tmp_path / "d").keys() == {b"", b"way", b"way/keep"}


def test_another_directory_at_either_end_fails_the_approval_as_a_whole(tmp_path: Path) -> None:
    for end, name in (("source", "s"), ("destination", "d")):
        place = tmp_path / end
        place.mkdir()
        job = held(place)
        os.rename(place / name, place / "away")
        shutil.copytree(place / "away", place / name, symlinks=True)
        before = snapshot(place / "d")
        result, _ = approve(job, place)

        assert result.outcome is Outcome.FAILED
        assert result.error is not None
        assert f"{end} '{place / name}' is not the directory the plan was made for" in result.error
        assert snapshot(place / "d") == before
        assert is_held(str(place / "state"), "mirror")


def test_destination_that_was_to_be_made_must_not_be_there_yet(tmp_path: Path) -> None:
    job = sync_job(tree(tmp_path / "s", {"a": b"x"}), tmp_path / "d")
    run(job, tmp_path, dry_run=True, saves_plan=True)
    (tmp_path / "d").mkdir()
    refused, _ = approve(job, tmp_path)
    (tmp_path / "d").rmdir()

    assert refused.error is not None
    assert "was not there when the plan was made" in refused.error
    assert approve(job, tmp_path)[0].outcome is Outcome.SUCCEEDED
    assert snapshot(tmp_path / "d") == snapshot(tmp_path / "s")


def test_job_that_is_declared_otherwise_fails_the_approval_but_not_with_other_guards(tmp_path: Path) -> None:
    job = held(tmp_path)
    result, _ = approve(structs.replace(job, delete=DeletePolicy.KEEP), tmp_path)

    assert result.error is not None
    assert "declared otherwise" in result.error
    assert approve(structs.replace(job, guard=Guard(), workers=2), tmp_path)[0].outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text.replace('"format":1', '"format":2'), "by another version"),
        (lambda text: text.replace('"nlink"', '"links"', 1), "by another version"),
        (lambda text: text[: len(text) // 2], "damaged|cut off"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "cut off"),
        (lambda text: "\n".join(text.splitlines()[:3] + text.splitlines()[4:]) + "\n", "altered"),
        (lambda text: text.replace("gonedir", "keptdir"), "altered"),
        (lambda text: text + text, "altered"),
        (lambda text: "", "damaged"),
        (lambda text: "[" * 100_000, "damaged"),
        (lambda text: text.replace('"job":"mirror"', '"job":"other"'), "another job's"),
        (lambda text: json.dumps({"kind": "x"}) + "\n", "no held plan"),
    ],
)
def test_file_that_no_release_wrote_is_refused_before_the_first_change(
    tmp_path: Path, spoil: Callable[[str], str], reason: str
) -> None:
    job = held(tmp_path)
    held_file(tmp_path).write_text(spoil(held_file(tmp_path).read_text()))
    before = snapshot(tmp_path / "d")
    result, _ = approve(job, tmp_path)

    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert any(word in result.error for word in reason.split("|")), result.error
    assert snapshot(tmp_path / "d") == before


def test_step_that_leads_out_of_the_tree_is_refused_with_all_others(tmp_path: Path) -> None:
    """A held plan may come from a backup that somebody else could write to."""
    job = held(tmp_path)
    (tmp_path / "precious").write_bytes(b"x")
    held_file(tmp_path).write_text(held_file(tmp_path).read_text().replace('"gone"', '"../precious"'))
    result, _ = approve(job, tmp_path)

    assert result.error is not None
    assert "leads out of the tree" in result.error
    assert (tmp_path / "precious").exists()


def test_link_in_place_of_the_held_plan_is_not_followed(tmp_path: Path) -> None:
    job = held(tmp_path)
    os.rename(held_file(tmp_path), tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", held_file(tmp_path))

    assert approve(job, tmp_path)[0].outcome is Outcome.FAILED
    with pytest.raises(RunError, match="cannot be used"):
        held_plan(str(tmp_path / "state"), "mirror")


def test_long_plan_is_stored_and_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever spilled to disk comes back in the order that cannot hurt."""
    monkeypatch.setattr(spill, "BATCH", 4)
    tree(tmp_path / "s", {f"new{number}": {"a": b"x", "b": {"c": b"y"}} for number in range(40)})
    tree(tmp_path / "d", {f"old{number}": {"a": b"x", "b": {"c": b"y"}} for number in range(40)})
    job = guarded(tmp_path)
    run(job, tmp_path)
    result, _ = approve(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert snapshot(tmp_path / "d") == snapshot(tmp_path / "s")


def test_plan_that_cannot_be_stored_still_holds_the_run(tmp_path: Path) -> None:
    tree(tmp_path / "s", {})
    before = snapshot(tree(tmp_path / "d", {"gone": b"gone"}))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "held").mkdir()
    (tmp_path / "state" / "held" / "mirror").mkdir()
    result = run(guarded(tmp_path), tmp_path)

    assert result.outcome is Outcome.HELD
    assert result.error is not None
    assert "max_delete" in result.error
    assert "cannot be stored" in result.error
    assert snapshot(tmp_path / "d") == before
    assert os.listdir(tmp_path / "state" / "held") == ["mirror"]


def test_approval_cut_off_leaves_nothing_to_approve_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = held(tmp_path)
    passed: list[str] = []

    def gate(operation: str) -> None:
        passed.append(operation)
        if len(passed) > 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(fsops, "gate", gate)
    with pytest.raises(KeyboardInterrupt):
        approve(job, tmp_path)
    monkeypatch.undo()

    assert not is_held(str(tmp_path / "state"), "mirror")
    assert run(job, tmp_path).outcome is Outcome.HELD
    assert approve(job, tmp_path)[0].outcome is Outcome.SUCCEEDED
    assert snapshot(tmp_path / "d") == snapshot(tmp_path / "s")


def test_same_directory_through_another_path_is_the_same(tmp_path: Path) -> None:
    """What a place is called may change with a mount; which directory it is may not."""
    (tmp_path / "front").symlink_to(tmp_path)
    job = held(tmp_path / "front")
    with bound(tmp_path, tmp_path / "view"):
        (tmp_path / "front").unlink()
        (tmp_path / "front").symlink_to("view")
        result, _ = approve(job, tmp_path)

    assert result.outcome is Outcome.SUCCEEDED


def trashed(place: Path, source: Children, destination: Children) -> MirrorJob:
    """Have a plan held that keeps what it displaces, directories whole."""
    tree(place / "s", source)
    tree(place / "d", destination)
    job = structs.replace(guarded(place), delete=DeletePolicy.TRASH)
    assert run(job, place).outcome is Outcome.HELD
    return job


def mirrored(place: Path) -> Snapshot:
    """Say what is at the destination, but for the versions, and for times that changes beneath leave."""
    found = snapshot(place / "d")
    return {
        path: seen._replace(mtime_ns=0)
        for path, seen in found.items()
        if path != b".dirsync" and not path.startswith(b".dirsync/")
    }


GOING: dict[Any, Any] = {"gone": {"a": b"1", "sub": {"b": b"2", "deep": {"c": b"3"}}}, "stays": b"x"}


def test_approval_keeps_what_it_displaces_as_versions(tmp_path: Path) -> None:
    job = trashed(tmp_path, {"stays": b"longer", "swap": b"file"}, GOING | {"swap": {"in": b"it"}})
    result, watched = approve(job, tmp_path)

    assert (result.outcome, watched.failures) == (Outcome.SUCCEEDED, {})
    assert mirrored(tmp_path).keys() == {b"", b"stays", b"swap"}
    kept = snapshot(tmp_path / "d" / ".dirsync" / "versions")
    assert {path.partition(b"/")[2] for path in kept} >= {b"gone/sub/deep/c", b"stays", b"swap/in"}


@pytest.mark.parametrize(
    ("change", "failed", "stays"),
    [
        (lambda s, d: (d / "gone/sub/new").write_bytes(b"n"), b"gone/sub", {b"gone/sub/new"}),
        (lambda s, d: (d / "gone/sub/deep/c").write_bytes(b"edit"), b"gone/sub/deep/c", {b"gone/sub/deep/c"}),
        (lambda s, d: tree(s, {"gone": {"a": b"1"}}), b"gone/a", {b"gone/a"}),
        (lambda s, d: (d / "gone/new").mkdir(), b"gone", {b"gone/new"}),
    ],
)
def test_directory_that_would_go_whole_stays_with_what_came_or_changed_since(
    tmp_path: Path, change: Callable[[Path, Path], None], failed: bytes, stays: set[bytes]
) -> None:
    job = trashed(tmp_path, {"stays": b"x"}, GOING)
    change(tmp_path / "s", tmp_path / "d")
    before = mirrored(tmp_path)
    result, watched = approve(job, tmp_path)
    after = mirrored(tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert failed in watched.failures
    staying = stays | {above for path in stays for above in ancestors(path)} | {b"", b"stays"}
    assert after.keys() == staying
    assert {path: after[path] for path in stays} == {path: before[path] for path in stays}
    kept = {path.partition(b"/")[2] for path in snapshot(tmp_path / "d" / ".dirsync" / "versions")}
    assert kept >= before.keys() - staying


def test_directory_that_a_file_replaces_stays_with_what_came_since(tmp_path: Path) -> None:
    job = trashed(tmp_path, {"swap": b"file"}, {"swap": {"in": b"it", "too": b"x"}})
    (tmp_path / "d" / "swap" / "new").write_bytes(b"n")
    result, watched = approve(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert set(watched.failures) == {b"swap"}
    assert mirrored(tmp_path).keys() == {b"", b"swap", b"swap/new"}
    assert run(job, tmp_path).outcome is Outcome.HELD
    assert approve(job, tmp_path)[0].outcome is Outcome.SUCCEEDED
    assert (tmp_path / "d" / "swap").read_bytes() == b"file"
