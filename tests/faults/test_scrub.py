"""`verify JOB`: read again, compared with each other and with the record, and nothing changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.model.content import Soundness
from dirsync.model.job import MirrorJob, PatternLine
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.runner.database import open_database
from dirsync.runner.lock import locked_job
from dirsync.runner.scrub import Tally, verify_job
from tests.agents import served
from tests.faults.test_bit_rot import on_record
from tests.jobs import Watched, run, sync_job
from tests.program import CHECKOUT, Ended, ended, jobs_file, run_now
from tests.rotting_disk import RottingDisk, rotting_disk
from tests.trees import File, ctimes, tree

T = 1_600_000_000_000_000_000


class Scrubbed(Watched):
    """An observer that remembers what a scrub tells."""

    def __init__(self) -> None:
        super().__init__()
        self.rot: list[tuple[bytes, Soundness]] = []
        self.tally = Tally()

    def rotted(self, path: bytes, soundness: Soundness) -> None:
        self.rot.append((path, soundness))

    def scrubbed(self, result: RunResult, tally: Tally) -> None:
        self.tally = tally


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[RottingDisk]:
    with rotting_disk(tmp_path) as mounted:
        yield mounted


def scrub(job: MirrorJob, place: Path, *, budget_bytes: int | None = None) -> tuple[RunResult, Scrubbed]:
    scrubbed = Scrubbed()
    result = verify_job(
        job, state=str(place / "state"), observer=scrubbed, stop=Stop(), budget_bytes=budget_bytes
    )
    return result, scrubbed


def verified_at(place: Path) -> dict[bytes, str]:
    with open_database(str(place / "state")) as database:
        return dict(database.connection.execute("SELECT path, verified_at FROM hashes"))


def mirrored(place: Path, source: Path, destination: Path) -> MirrorJob:
    job = sync_job(source, destination)
    assert run(job, state=place / "state").outcome is Outcome.SUCCEEDED
    return job


def test_sound_trees_go_on_record_and_nothing_changes(tmp_path: Path) -> None:
    job = mirrored(tmp_path, tree(tmp_path / "s", {"a": b"1", "d": {"b": b"22"}}), tmp_path / "d")
    before = ctimes(tmp_path / "s"), ctimes(tmp_path / "d")

    result, scrubbed = scrub(job, tmp_path)

    assert (result.outcome, result.counts.changes, scrubbed.rot) == (Outcome.SUCCEEDED, 0, [])
    assert (scrubbed.tally.files, scrubbed.tally.bytes_read, scrubbed.tally.left) == (2, 3, 0)
    assert on_record(tmp_path).keys() == {b"a", b"d/b"}
    assert (ctimes(tmp_path / "s"), ctimes(tmp_path / "d")) == before


def test_rot_of_the_source_and_of_the_replica_are_told_apart(tmp_path: Path, disk: RottingDisk) -> None:
    source = tree(disk.root / "s", {"a": b"aaaa", "b": b"bbbb", "c": b"cccc"})
    job = mirrored(tmp_path, source, disk.root / "d")
    scrub(job, tmp_path)
    disk.rot(disk.root / "s/a")
    disk.rot(disk.root / "d/b")

    for _ in range(2):  # what has rotted is no news to the record
        result, scrubbed = scrub(job, tmp_path)

        assert (result.outcome, result.counts.changes) == (Outcome.SUCCEEDED, 2)
        assert set(scrubbed.rot) == {(b"a", Soundness.SOURCE_ROTTED), (b"b", Soundness.REPLICA_ROTTED)}


def test_without_a_record_rot_is_a_difference_that_names_no_side(tmp_path: Path, disk: RottingDisk) -> None:
    job = mirrored(tmp_path, tree(tmp_path / "s", {"a": b"aaaa"}), disk.root / "d")
    disk.rot(disk.root / "d/a")

    for _ in range(2):
        result, scrubbed = scrub(job, tmp_path)

        assert (result.counts.modified, scrubbed.rot) == (1, [])
        assert [change.path for change in scrubbed.changes] == [b"a"]
    assert on_record(tmp_path) == {}


def test_the_budget_goes_to_those_longest_unverified(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", dict.fromkeys("abcde", b"0123456789"))
    job = mirrored(tmp_path, source, tmp_path / "d")
    read = []
    for _ in range(4):
        before = verified_at(tmp_path)
        _, scrubbed = scrub(job, tmp_path, budget_bytes=15)
        after = verified_at(tmp_path)
        read.append(sorted(path for path in after if after[path] != before.get(path)))

        assert (scrubbed.tally.files, scrubbed.tally.left) == (2, 3)

    assert read == [[b"a", b"b"], [b"c", b"d"], [b"a", b"e"], [b"b", b"c"]]


def test_a_file_larger_than_the_budget_has_its_turn(tmp_path: Path) -> None:
    job = mirrored(tmp_path, tree(tmp_path / "s", {"a": b"0123456789", "b": b"1"}), tmp_path / "d")

    assert scrub(job, tmp_path, budget_bytes=0)[1].tally.files == 1
    assert scrub(job, tmp_path, budget_bytes=1)[1].tally.files == 1
    assert on_record(tmp_path).keys() == {b"a", b"b"}


def test_rows_of_paths_that_are_gone_go(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"a": b"1", "b": b"2"})
    job = mirrored(tmp_path, source, tmp_path / "d")
    scrub(job, tmp_path)
    (source / "a").unlink()

    result, _ = scrub(job, tmp_path)

    assert result.counts.deleted == 1
    assert on_record(tmp_path).keys() == {b"b"}


def test_excluded_files_are_not_read(tmp_path: Path) -> None:
    job = mirrored(tmp_path, tree(tmp_path / "s", {"a": b"1", "b.tmp": b"2"}), tmp_path / "d")
    job = structs.replace(job, exclude=(PatternLine(b"*.tmp", "test", 1),))

    assert scrub(job, tmp_path)[1].tally.files == 1


def test_a_scrub_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was read before the signal is on record, and is not read again first."""
    job = mirrored(tmp_path, tree(tmp_path / "s", dict.fromkeys("abc", b"1")), tmp_path / "d")
    stop = Stop()

    class StopsAtFirst(Scrubbed):
        def progressed(self, operations: int, bytes_copied: int) -> None:
            stop.request(15)

    result = verify_job(
        job, state=str(tmp_path / "state"), observer=StopsAtFirst(), stop=stop, budget_bytes=None
    )

    assert (result.outcome, result.signal_number) == (Outcome.CANCELLED, 15)
    assert b"a" in on_record(tmp_path)
    scrub(job, tmp_path)
    moments = verified_at(tmp_path)
    assert moments[b"c"] <= moments[b"a"]


# As a user


def verify_command(jobs: Path, *more: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / "run.py"), "verify", "mirror", "-c", str(jobs), *more]


def verify(jobs: Path, *more: str) -> Ended:
    return ended(verify_command(jobs, *more))


def test_exit_codes_and_machine_lines(tmp_path: Path, disk: RottingDisk) -> None:
    tree(tmp_path / "s", {"a": File(b"aaaa", mtime_ns=T), "b": File(b"bbbb", mtime_ns=T)})
    jobs = jobs_file(tmp_path, destination=str(disk.root / "d"), verify="written")
    assert run_now(jobs).code == 0
    sound = verify(jobs, "--json")
    assert sound.outcome == (0, "succeeded")
    assert sound.result["verified"] == {"files": 2, "bytes": 8, "rotted": 0, "left": 0}

    disk.rot(disk.root / "d/a")
    rotted = verify(jobs, "--json")
    assert (rotted.code, rotted.events[0]["event"], rotted.events[0]["path"]) == (1, "rot", "a")
    assert (rotted.events[0]["side"], rotted.result["verified"]["rotted"]) == ("replica", 1)

    (disk.root / "d/b").write_bytes(b"edited")
    shown = subprocess.run(verify_command(jobs), capture_output=True, text=True, timeout=60)
    assert shown.returncode == 1
    difference, rot, summary = shown.stdout.splitlines()
    assert difference.startswith("differs   b  (size 6→4, mtime ")
    assert rot == "rot       a  (the replica is not as on record, its source is)"
    assert summary.startswith("mirror  not sound: 1 rotted, 1 differs; 1 file verified, 4 B")


def test_what_cannot_be_read_is_exit_3_and_named(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"1", "b": b"2"})
    jobs = jobs_file(tmp_path)
    run_now(jobs)
    command = verify_command(jobs, "--json")

    refused = ended(
        [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-P",
            str(tmp_path / "s/a"),
            "-e",
            "inject=fadvise64:error=EIO",
            *command,
        ]
    )

    assert refused.outcome == (3, "partial")
    assert refused.paths("failure") == {"a"}


def test_a_running_job_is_not_scrubbed(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"1"})
    jobs = jobs_file(tmp_path)
    run_now(jobs)

    with locked_job(str(tmp_path / "state"), "mirror"):
        assert verify(jobs, "--json").outcome == (75, "skipped")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify"], "the following arguments are required: JOB"),
        (["verify", "x"], "no job 'x'; the jobs are"),
        (["verify", "mirror", "--budget", "much"], "argument --budget: 'much' is not a size"),
    ],
)
def test_a_wrong_command_line_is_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    jobs = jobs_file(tmp_path)

    refused = ended([sys.executable, str(CHECKOUT / "run.py"), *arguments, "-c", str(jobs)])

    assert refused.code == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_destination_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"1"})

    refused = verify(jobs_file(tmp_path), "--json")

    assert refused.outcome == (5, "failed")
    assert "does not exist" in refused.result["error"]


def test_a_far_source_is_scrubbed_while_it_answers_and_else_skipped(tmp_path: Path) -> None:
    tree(tmp_path / "share", {"a": b"1", "b": b"2"})
    job = sync_job(tmp_path / "s", tmp_path / "d")
    with served(tmp_path / "share", state=tmp_path / "agent-state") as agent:
        job = structs.replace(job, source=agent.place(b""))
        assert run(job, state=tmp_path / "state").outcome is Outcome.SUCCEEDED
        (tmp_path / "d/b").write_bytes(b"3")
        result, scrubbed = scrub(job, tmp_path)
    assert (result.outcome, scrubbed.tally.files) == (Outcome.SUCCEEDED, 1)  # what differs needs no reading
    assert result.counts.modified == 1

    result, _ = scrub(job, tmp_path)
    assert result.outcome is Outcome.SKIPPED
    assert result.error is not None
    assert "does not answer" in result.error
