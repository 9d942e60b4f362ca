"""The daemon with `watch: true`: what changes is mirrored at once, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.program import CHECKOUT, argv, ended, jobs_file, running
from tests.trees import differences, snapshot, tree
from tests.watches import until

LISTENING = "1 source watched"


def daemon_of(jobs: Path, *more: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), *more]


def is_mirrored(place: Path) -> bool:
    try:
        return not differences(snapshot(place / "s"), snapshot(place / "d"))
    except OSError:  # it is being changed
        return False


def stop(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    return out


def test_what_changes_is_mirrored_at_once_and_so_is_what_changed_while_nobody_watched(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": {"f": b"1"}, "b": {b"\xff\n": b"2"}})
    command = daemon_of(jobs_file(tmp_path, watch=True))
    with running(command) as daemon:
        until(lambda: (tmp_path / "d/a/f").exists() and is_mirrored(tmp_path))
        (tmp_path / "s/a/f").write_bytes(b"changed")
        until(lambda: is_mirrored(tmp_path))
        tree(tmp_path / "s", {"new": {"deep": {"er": {"f": b"3"}}}})
        until(lambda: is_mirrored(tmp_path))
        (tmp_path / "s/new").rename(tmp_path / "s/b/moved")
        until(lambda: is_mirrored(tmp_path))
        (tmp_path / "s/b/moved/deep/er/f").unlink()
        (tmp_path / "s/a/f").rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/s/b/\xff\n")))
        until(lambda: is_mirrored(tmp_path))
        out = stop(daemon)
    assert LISTENING in out
    assert "1 moved" in out

    (tmp_path / "s/a/while-away").touch()
    with running(command) as daemon:
        until(lambda: is_mirrored(tmp_path))
        stop(daemon)


def test_a_source_that_comes_and_goes_is_taken_up_again(tmp_path: Path) -> None:
    """With the schedule of the job, for nobody is told of a directory that is not there."""
    tree(tmp_path / "s", {"a": {"f": b"1"}})
    with running(daemon_of(jobs_file(tmp_path, watch=True, interval="1s"))) as daemon:
        until(lambda: is_mirrored(tmp_path))
        (tmp_path / "s").rename(tmp_path / "away")
        tree(tmp_path / "s", {"a": {"f": b"1"}, "b": b"2"})
        until(lambda: is_mirrored(tmp_path))
        (tmp_path / "s/b").write_bytes(b"22")
        until(lambda: is_mirrored(tmp_path))
        stop(daemon)


def test_a_run_that_writes_into_the_source_leads_to_no_other(tmp_path: Path) -> None:
    """jobs.yaml, its state and its logs lie in the source."""
    source = tree(tmp_path / "s", {"a": b"1"})
    there, left_out = str(tmp_path / "d"), ["/state/"]
    jobs = jobs_file(source, source=".", destination=there, watch=True, exclude=left_out)
    with running(daemon_of(jobs, "-v")) as daemon:
        until(lambda: (tmp_path / "d/a").exists())
        (source / "a").write_bytes(b"22")
        until(lambda: (tmp_path / "d/a").read_bytes() == b"22")
        try:
            daemon.wait(timeout=3)
        except subprocess.TimeoutExpired:
            out = stop(daemon)
    assert out.count("done: ") <= 3


def test_watching_where_links_are_followed_is_refused(tmp_path: Path) -> None:
    tree(tmp_path / "s", {})
    refused = ended(argv(jobs_file(tmp_path, watch=True, symlinks="follow")))

    assert refused.code == 2
    assert "'symlinks: follow'" in refused.stderr


def test_status_says_that_a_change_makes_it_run(tmp_path: Path) -> None:
    tree(tmp_path / "s", {})
    alone = subprocess.check_output([*daemon_of(jobs_file(tmp_path, watch=True)), "status"], text=True)
    both = jobs_file(tmp_path, watch=True, interval="1h")
    scheduled = subprocess.check_output([*daemon_of(both), "status"], text=True)

    assert "when its source changes" in alone
    assert "due now, or when its source changes" in scheduled
