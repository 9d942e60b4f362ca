"""`catalog init`, `verify` and `key` on the command line."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import CHECKOUT, Ended, run_now
from tests.trees import tree


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A track job that has run twice; the second run recorded three changes."""
    root = tree(tmp_path / "s", {"a": {"b": b"1"}, "c": b"22"})
    file = tmp_path / "jobs.yaml"
    state = str(tmp_path / "state")
    file.write_text(
        json.dumps({"version": 1, "state": state, "jobs": {"etc": {"type": "track", "source": str(root)}}})
    )
    assert run_now(file).code == 0
    (root / "c").unlink()
    (root / "d").write_bytes(b"4")
    (root / os.fsdecode(b"\xff")).write_bytes(b"")
    assert run_now(file).code == 0
    return file


def dirsync(jobs: Path, *arguments: str) -> Ended:
    """Run a command; what it prints need not be JSON."""
    command = [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in process.stderr, process.stderr
    return Ended(process.returncode, process.stdout, process.stderr)


def altered(jobs: Path, *statements: str) -> None:
    """Alter rows of the catalog behind the program's back."""
    with contextlib.closing(sqlite3.connect(jobs.parent / "state" / "catalog.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_sound_catalog_is_said_to_be_and_what_was_looked_at_is_counted(jobs: Path) -> None:
    whole, job = dirsync(jobs, "catalog", "verify"), dirsync(jobs, "catalog", "verify", "etc")

    assert (whole.code, job.code) == (0, 0)
    assert "the catalog is sound; 1 job, 2 runs, 4 changes, 2 directories, 5 entries verified" in whole.stdout


def test_each_row_that_was_altered_is_named(jobs: Path) -> None:
    altered(
        jobs,
        "UPDATE changes SET new_mode = 33279 WHERE path = X'64'",
        "UPDATE entries SET size = 'huge' WHERE name = X'62'",
    )
    told, lines = dirsync(jobs, "catalog", "verify"), dirsync(jobs, "catalog", "verify", "--json")

    assert (told.code, lines.code) == (1, 1)
    assert "etc: change 3, of 'd' in run 2, is not as it was recorded" in told.stdout
    assert "etc: the entry 'a/b' holds what this program does not write" in told.stdout
    assert "the catalog is not sound: 3 flaws" in told.stdout
    flaws = [event for event in lines.events if event["event"] == "flaw"]
    assert (flaws[0]["kind"], flaws[0]["path"], flaws[0]["run_id"], flaws[0]["change_id"]) == (
        "altered",
        "d",
        2,
        3,
    )
    assert lines.result["sound"] is False
    assert lines.result["flaws"] == 3


def test_only_a_hundred_flaws_are_listed_for_people(jobs: Path) -> None:
    for number in range(130):
        (jobs.parent / "s" / f"{number}").touch()
    run_now(jobs)
    altered(jobs, "UPDATE changes SET rotted = 1")
    told = dirsync(jobs, "catalog", "verify")

    assert len(told.stdout.splitlines()) == 101
    assert "not sound: 135 flaws; the first 100 are listed" in told.stdout


def test_catalog_that_cannot_be_read_is_an_error(jobs: Path) -> None:
    file = jobs.parent / "state" / "catalog.db"
    file.write_bytes(b"\0" * 5000)
    told, lines = dirsync(jobs, "catalog", "verify"), dirsync(jobs, "catalog", "verify", "--json")

    assert (told.code, lines.code) == (5, 5)
    assert "is corrupt" in told.stderr
    assert "is corrupt" in lines.result["error"]
    file.unlink()
    told = dirsync(jobs, "catalog", "verify")
    assert told.code == 5
    assert "the catalog is not there any more, and with it all that was recorded of 'etc'" in told.stderr


def test_key_is_made_once_and_seals_what_there_is(jobs: Path) -> None:
    made, again = dirsync(jobs, "catalog", "key"), dirsync(jobs, "catalog", "key")
    key = jobs.parent / "state" / "catalog.key"

    assert (made.code, again.code) == (0, 0)
    assert "etc: all that is recorded is sealed with the key" in made.stdout
    assert "already" in again.stdout
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(key.read_text())) == 32
    assert key.read_text().strip() not in made.stdout + made.stderr
    assert run_now(jobs).code == 0
    assert dirsync(jobs, "catalog", "verify").code == 0


def test_key_before_the_first_run(tmp_path: Path) -> None:
    root = tree(tmp_path / "s", {"a": b"1"})
    file = tmp_path / "jobs.yaml"
    file.write_text(json.dumps({"version": 1, "jobs": {"etc": {"type": "track", "source": str(root)}}}))

    assert dirsync(file, "catalog", "key").code == 0
    assert run_now(file).code == 0
    assert dirsync(file, "catalog", "verify").code == 0


def test_key_that_others_may_read_is_refused(jobs: Path) -> None:
    dirsync(jobs, "catalog", "key")
    (jobs.parent / "state" / "catalog.key").chmod(0o644)

    assert dirsync(jobs, "catalog", "verify").code == 5
    assert "is open to others; make it a file of mode 0600" in dirsync(jobs, "catalog", "verify").stderr


def test_init_makes_the_catalog_and_begins_a_job_anew_when_told_so_twice(jobs: Path) -> None:
    whole, refused = dirsync(jobs, "catalog", "init"), dirsync(jobs, "catalog", "init", "etc")
    anew = dirsync(jobs, "catalog", "init", "etc", "--yes")

    assert (whole.code, refused.code, anew.code) == (0, 2, 0)
    assert "4 changes and 4 entries; add --yes to remove it all" in refused.stderr
    assert "etc: begins anew" in anew.stdout
    assert run_now(jobs).counts["created"] == 4


def test_copy_that_was_put_back_is_gone_on_with_when_told_so(jobs: Path) -> None:
    file = jobs.parent / "state" / "catalog.db"
    copy = file.read_bytes()
    run_now(jobs)
    file.write_bytes(copy)
    refused = run_now(jobs)
    told = dirsync(jobs, "catalog", "init", "etc", "--as-is")

    assert refused.code == 5
    assert "catalog init etc --as-is" in refused.result["error"]
    assert told.code == 0
    assert "etc: goes on after run 2" in told.stdout
    assert run_now(jobs).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mend"], "'mend' is none of init, verify, key"),
        (["key", "etc"], "'catalog key' takes no job"),
        (["verify", "--yes"], "--yes and --as-is go with 'catalog init JOB'"),
        (["init", "--as-is"], "--yes and --as-is go with 'catalog init JOB'"),
        (["init", "etc", "--yes", "--as-is"], "choose one"),
        (["init", "--json"], "--json goes with 'catalog verify'"),
        (["verify", "ect"], "no job 'ect'; did you mean 'etc'?"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(jobs: Path, arguments: list[str], said: str) -> None:
    told = dirsync(jobs, "catalog", *arguments)

    assert told.code == 2
    assert said in told.stderr
