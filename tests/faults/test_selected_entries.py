"""Track jobs that select: directories that are merely entered, and what is selected no more."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.catalog.catalog import Catalog
from dirsync.cli.job_states import job_state
from dirsync.cli.main import main
from dirsync.model.change import Failure
from dirsync.model.job import SymlinkPolicy
from dirsync.model.recorded import Recorded
from dirsync.runner.accepting import accept_changes
from tests.catalogs_on_record import flaws, on_record, recorded_runs
from tests.faults.test_tracking import blind_to, history, line, told, tracked
from tests.jobs import track_job, watched_run
from tests.trees import Link, tree

pytestmark = pytest.mark.usefixtures("restored_logging")

PICTURES = (line("*.jpg"),)


def test_what_lies_in_directories_that_are_merely_entered_is_part_of_a_state(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"x": {"f.jpg": b"1"}, "y.jpg": b"2"}, include=PICTURES)

    assert set(on_record(job, tmp_path)) == {b"x/f.jpg", b"y.jpg"}


def test_a_directory_that_is_merely_entered_is_gone_with_what_it_held(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"x": {"z": {"f.jpg": b"1"}}, "y.jpg": b"2"}, include=PICTURES)
    shutil.rmtree(tmp_path / "s/x")
    _, watched = watched_run(job, tmp_path)

    assert told(watched) == [("deleted", b"x/z/f.jpg")]
    assert recorded_runs(job)[0].entries == 1
    assert flaws(job, tmp_path) == []


def test_what_moves_with_a_directory_that_is_merely_entered_is_told_file_by_file(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"x": {"f.jpg": b"1", "g.jpg": b"2", "n": b""}}, include=PICTURES)
    os.rename(tmp_path / "s/x", tmp_path / "s/w")
    _, watched = watched_run(job, tmp_path)

    assert told(watched) == [("moved", b"w/f.jpg"), ("moved", b"w/g.jpg")]
    assert recorded_runs(job)[0].entries == 2


def test_a_file_that_takes_the_place_of_a_directory_that_was_entered_ends_it(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"x": {"f.jpg": b"1"}}, include=PICTURES)
    shutil.rmtree(tmp_path / "s/x")
    (tmp_path / "s/x").write_bytes(b"not selected")

    assert told(watched_run(job, tmp_path)[1]) == [("deleted", b"x/f.jpg")]


def test_an_include_list_that_is_added_forgets_what_it_does_not_select(tmp_path: Path) -> None:
    inside = {"f.jpg": b"1", "n": b"", "z": {"q.jpg": b"", "m": b""}}
    job = tracked(tmp_path, {"x": inside, "y.jpg": b"2"})
    job = structs.replace(job, include=PICTURES)
    _, watched = watched_run(job, tmp_path)

    assert told(watched) == []
    assert set(on_record(job, tmp_path)) == {b"x/f.jpg", b"x/z/q.jpg", b"y.jpg"}
    assert recorded_runs(job)[0].entries == 3
    assert flaws(job, tmp_path) == []


LESS: dict[str, dict[str, object]] = {
    "exclude": {"exclude": (line("*.tmp"), line("/a/t/"))},
    "ignore file": {},
    "include": {"include": (line("/a/f"), line(".ign"))},
    "symlinks": {"symlinks": SymlinkPolicy.SKIP},
}


@pytest.mark.parametrize("how", LESS)
def test_what_a_job_selects_no_more_stays_in_earlier_states_and_is_told_nowhere(
    tmp_path: Path, how: str
) -> None:
    inside = {"f.tmp": b"1", "l": Link("x"), "z": {"m.tmp": b"22", "q": b"3"}}
    children = {"a": {"t": inside, "f": b"4"}, ".ign": b"", "out.tmp": b"5"}
    job = tracked(tmp_path, children, ignore_files=(b".ign",))
    before = set(on_record(job, tmp_path))
    if how == "ignore file":
        (tmp_path / "s/.ign").write_bytes(b"*.tmp\n/a/t/\n")
    result, watched = watched_run(structs.replace(job, **LESS[how]), tmp_path)
    after = set(on_record(job, tmp_path))

    altered = {b".ign"} if how == "ignore file" else set()
    assert after < before
    assert {path for _, path in told(watched)} == {change.path for change in history(job)} == altered
    assert result.counts.changes == len(altered)
    assert (recorded_runs(job)[0].entries, recorded_runs(job)[0].bytes_deleted) == (len(after), 0)
    assert accept_changes(job, b"a", state=str(tmp_path / "state")) is None
    assert set(on_record(job, tmp_path, run_id=1)) == before
    assert flaws(job, tmp_path) == []


def test_what_a_job_selects_again_came_with_the_run_that_saw_it(tmp_path: Path) -> None:
    job = tracked(tmp_path, {"a": {"f.tmp": b"1", "g": b"2"}})
    watched_run(structs.replace(job, exclude=(line("*.tmp"),)), tmp_path)
    (tmp_path / "s/a/f.tmp").write_bytes(b"longer")
    os.rename(tmp_path / "s/a", tmp_path / "s/b")
    _, watched = watched_run(job, tmp_path)

    assert told(watched) == [("moved", b"b"), ("created", b"b/f.tmp")]
    states = [on_record(job, tmp_path, run_id=number) for number in (1, 2, 3)]
    assert [set(state) for state in states] == [
        {b"a", b"a/f.tmp", b"a/g"},
        {b"a", b"a/g"},
        {b"b", b"b/f.tmp", b"b/g"},
    ]
    assert (states[0][b"a/f.tmp"][0].size, states[2][b"b/f.tmp"][0].size) == (1, 6)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A source with another file system in it, mounted at `m`."""
    source = tree(tmp_path / "s", {"a": b"1", "m": {}})
    subprocess.run(["mount", "-t", "tmpfs", "none", source / "m"], check=True)
    (source / "m/f").write_bytes(b"1")
    yield source
    subprocess.run(["umount", source / "m"], check=False)


def test_what_is_on_another_file_system_is_forgotten_once_it_is_not_entered(
    mounted: Path, tmp_path: Path
) -> None:
    job = track_job(mounted, tmp_path / "state")
    watched_run(job, tmp_path)
    job = structs.replace(job, one_file_system=True)
    _, watched = watched_run(job, tmp_path)

    assert told(watched) == []
    assert set(on_record(job, tmp_path)) == {b"a", b"m"}
    assert set(on_record(job, tmp_path, run_id=1)) == {b"a", b"m", b"m/f"}
    assert flaws(job, tmp_path) == []
    subprocess.run(["umount", mounted / "m"], check=True)
    assert ("deleted", b"m/f") not in told(watched_run(job, tmp_path)[1])


def test_what_is_mounted_over_a_directory_hides_it_and_deletes_nothing(mounted: Path, tmp_path: Path) -> None:
    subprocess.run(["umount", mounted / "m"], check=True)
    (mounted / "m/below").write_bytes(b"1")
    job = structs.replace(track_job(mounted, tmp_path / "state"), one_file_system=True)
    watched_run(job, tmp_path)
    subprocess.run(["mount", "-t", "tmpfs", "none", mounted / "m"], check=True)

    assert "deleted" not in {kind for kind, _ in told(watched_run(job, tmp_path)[1])}
    assert b"m/below" in on_record(job, tmp_path)


def test_a_directory_that_was_renamed_and_cannot_be_listed_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tracked(tmp_path, {"d": {"e": {"f": b"1"}}, "g": b""})
    os.rename(tmp_path / "s/d", tmp_path / "s/n")
    with blind_to(tmp_path / "s/n", monkeypatch):
        _, watched = watched_run(job, tmp_path)
    assert told(watched) == [("moved", b"n")]
    assert set(on_record(job, tmp_path)) == {b"n", b"n/e", b"n/e/f", b"g"}
    assert flaws(job, tmp_path) == []
    assert watched_run(job, tmp_path)[1].changes == []


def test_directories_that_move_together_do_not_each_read_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 60
    job = tracked(tmp_path, {"a": {f"d{n}": {"f": b""} for n in range(count)}, "b": {}})
    for n in range(count):
        os.rename(tmp_path / f"s/a/d{n}", tmp_path / f"s/b/d{n}")
    rows = 0
    original = Catalog.entries_in

    def counted(catalog: Catalog, job_id: int, ids: list[int]) -> Iterator[tuple[int, Recorded]]:
        nonlocal rows
        for each in original(catalog, job_id, ids):
            rows += 1
            yield each

    monkeypatch.setattr(Catalog, "entries_in", counted)
    result, _ = watched_run(job, tmp_path)
    assert result.counts.moved == count
    assert rows < 10 * count  # by their parent it would be more than the square


JOBS = "version: 1\nstate: ./state\njobs:\n  t: {type: track, source: ./s}\n"


def test_a_state_is_of_one_moment_though_a_run_ends_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path / "s", {"a": {"x": b""}, "b": {"g": b""}})
    (tmp_path / "jobs.yaml").write_text(JOBS)
    monkeypatch.chdir(tmp_path)
    assert main(["--now", "-q"]) == 0
    with job_state("t@latest", config="jobs.yaml") as (_, state):
        sightings = state.sightings()
        paths = [next(sightings).path, next(sightings).path]
        shutil.rmtree(tmp_path / "s/b")
        assert main(["--now", "-q"]) == 0
        paths += [each.path for each in sightings if not isinstance(each, Failure)]

    assert paths == [b"a", b"a/x", b"b", b"b/g"]


@pytest.mark.parametrize(
    "arguments", [["accept", "t", "--up-to", "9" * 23], ["history", "s", "--limit", "9" * 23]]
)
def test_a_number_that_is_too_large_is_a_usage_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    tree(tmp_path / "s", {"a": b""})
    (tmp_path / "jobs.yaml").write_text(JOBS)
    monkeypatch.chdir(tmp_path)
    assert main(["--now", "-q"]) == 0
    assert main(arguments) == 2
    assert "is no" in capsys.readouterr().err
