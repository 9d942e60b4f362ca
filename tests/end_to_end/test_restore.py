"""Versions and restore on the command line: what they print, and their exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import CHECKOUT, Ended, checked, jobs_file, run_now
from tests.trees import File, snapshot, tree


def dirsync(jobs: Path, command: str, *more: str) -> Ended:
    """Run one command with `--json`."""
    return checked(plainly(jobs, command, "--json", *more))


def plainly(jobs: Path, command: str, *more: str) -> Ended:
    """Run one command as a person would."""
    process = subprocess.run(
        [sys.executable, str(CHECKOUT / "run.py"), command, "mirror", *more, "-c", str(jobs)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in process.stderr, process.stderr
    return Ended(process.returncode, process.stdout, process.stderr)


def mirrored_job(place: Path) -> Path:
    """Mirror a tree, delete a directory and overwrite a file of its source, and mirror again."""
    source = tree(place / "s", {"d": {"a": b"1", "b\n": b"2"}, "f": b"good", "g": b""})
    jobs = jobs_file(place, delete="trash")
    assert run_now(jobs).code == 0
    shutil.rmtree(source / "d")
    (source / "f").write_bytes(b"rubbish")
    assert run_now(jobs).code == 0
    return jobs


def test_versions_lists_what_went_newest_first(tmp_path: Path) -> None:
    jobs = mirrored_job(tmp_path)
    listed = dirsync(jobs, "versions")

    assert [(line["path"], line["kind"], line["run_id"]) for line in listed.events] == [
        ("d", "directory", 2),
        ("f", "file", 2),
    ]
    assert [line["path"] for line in dirsync(jobs, "versions", "d/a").events] == ["d"]
    assert plainly(jobs, "versions", "g").stdout == "no versions are kept of 'g'\n"
    assert plainly(jobs, "versions").stdout.splitlines()[0].split() == [
        *("until", "run", "size", "modified", "path")
    ]


def test_restore_brings_a_directory_back_to_the_source(tmp_path: Path) -> None:
    jobs = mirrored_job(tmp_path)
    back = dirsync(jobs, "restore", "d")

    assert back.code == 0
    assert back.events[-1]["type"] == "restore"
    assert back.events[-1]["counts"]["created"] == 3
    assert (tmp_path / "s/d/a").read_bytes() == b"1"
    assert run_now(jobs).counts["created"] == 3


def test_what_versions_prints_as_until_brings_the_version_back(tmp_path: Path) -> None:
    jobs = mirrored_job(tmp_path)
    until = dirsync(jobs, "versions", "f").events[0]["until"]

    assert plainly(jobs, "restore", "f", "--at", until).code == 3
    assert plainly(jobs, "restore", "f", "--at", until, "--overwrite").stdout == (
        f"mirror  restored 1 entry, 4 B, in {tmp_path}/s\n"
    )
    assert (tmp_path / "s/f").read_bytes() == b"good"


def test_restore_to_another_directory_keeps_the_path(tmp_path: Path) -> None:
    jobs = mirrored_job(tmp_path)

    assert dirsync(jobs, "restore", "d/a", "--to", str(tmp_path / "back")).code == 0
    assert snapshot(tmp_path / "back").keys() == {b"", b"d", b"d/a"}


def test_restore_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    jobs = mirrored_job(tmp_path)
    nothing = plainly(jobs, "restore", "nope")
    outside = plainly(jobs, "restore", "../x")
    never = plainly(jobs, "restore", "d", "--at", "yesterday")
    no_parent = plainly(jobs, "restore", "d", "--to", str(tmp_path / "no/where"))

    assert (nothing.code, outside.code, never.code, no_parent.code) == (5, 2, 2, 5)
    assert nothing.stderr.startswith("mirror: nothing was at 'nope'; 'dirsync versions mirror' lists")
    assert "is not beneath the source" in outside.stderr
    assert "'yesterday' is no moment" in never.stderr
    assert "cannot be made" in no_parent.stderr
    assert [each.stderr.count("\n") for each in (nothing, outside, never, no_parent)] == [1, 1, 1, 1]


def rotten(place: Path, *, compare: list[str], whole: bool) -> tuple[Path, str]:
    """Mirror a file, and change its content alone: neither its size nor its times."""
    source = tree(place / "s", {"f": b"good", "g": b"other"})
    jobs = jobs_file(place, compare=compare)
    assert run_now(jobs).code == 0
    status = (source / "f").stat()
    (source / "f").write_bytes(b"evil")
    os.utime(source / "f", ns=(status.st_atime_ns, status.st_mtime_ns))
    return jobs, "." if whole else "f"


@pytest.mark.parametrize(
    ("compare", "whole"),
    [(["size", "mtime"], False), (["size", "mtime", "hash"], False), (["size", "mtime", "hash"], True)],
)
def test_a_file_that_rotted_in_the_source_is_brought_back(
    tmp_path: Path, compare: list[str], whole: bool
) -> None:
    jobs, path = rotten(tmp_path, compare=compare, whole=whole)

    left = plainly(jobs, "restore", path)
    assert (left.code, "another is there now; add --overwrite" in left.stderr) == (3, True), left
    back = plainly(jobs, "restore", path, "--overwrite")
    assert (back.code, back.stdout) == (0, f"mirror  restored 1 entry, 4 B, in {tmp_path}/s\n")
    assert (tmp_path / "s/f").read_bytes() == b"good"
    again = plainly(jobs, "restore", path, "--overwrite")
    assert again.stdout == "mirror  nothing to restore: it is all there\n"


def test_a_whole_tree_is_not_read_where_the_job_compares_no_content(tmp_path: Path) -> None:
    jobs, path = rotten(tmp_path, compare=["size", "mtime"], whole=True)

    assert plainly(jobs, "restore", path).stdout == "mirror  nothing to restore: it is all there\n"


def test_mode_and_owner_come_back(tmp_path: Path) -> None:
    source = tree(tmp_path / "s", {"f": File(b"1", mode=0o600), "g": File(b"1", mode=0o600)})
    jobs = jobs_file(tmp_path)
    assert run_now(jobs).code == 0
    (source / "f").chmod(0o666)
    os.chown(source / "g", 1000, 1000)

    assert plainly(jobs, "restore", ".").code == 3
    assert plainly(jobs, "restore", ".", "--overwrite").code == 0
    found = [((source / name).stat().st_mode & 0o777, (source / name).stat().st_uid) for name in ("f", "g")]
    assert found == [(0o600, os.geteuid())] * 2


def test_what_took_the_place_of_a_directory_is_told_and_stays(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"d": {"e": {"x": b"1"}}})
    jobs = jobs_file(tmp_path)
    assert run_now(jobs).code == 0
    shutil.rmtree(tmp_path / "s/d")
    (tmp_path / "s/d").write_bytes(b"mine")

    told = plainly(jobs, "restore", "d/e/x", "--overwrite")
    assert (told.code, (tmp_path / "s/d").read_bytes()) == (3, b"mine")
    assert "d/e/x: a file is where its directory was: 'd'; move that away" in told.stderr


def test_restore_of_a_job_that_has_not_run_says_that_there_is_no_destination(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"f": b"1"})
    ended = plainly(jobs_file(tmp_path, delete="trash"), "restore", "f")

    why = "does not exist; the job has not run yet, or it is not mounted"
    assert (ended.code, ended.stderr) == (5, f"mirror: destination '{tmp_path}/d' {why}\n")


@pytest.mark.parametrize(
    ("command", "purpose"), [("restore", "restore from"), ("versions", "keep versions at")]
)
def test_versions_of_a_push_are_said_to_be_at_the_far_end(tmp_path: Path, command: str, purpose: str) -> None:
    ended = plainly(jobs_file(tmp_path, destination="http://127.0.0.1:9/share/d"), command, ".")

    assert (ended.code, ended.stderr) == (
        2,
        f"dirsync: 'mirror' has no destination here to {purpose}: what it deletes or overwrites lies at "
        "'http://127.0.0.1:9/share/d', in '.dirsync/versions'\n",
    )
