"""Hold, look and approve, on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import CHECKOUT, Ended, ended, jobs_file, run_now
from tests.trees import Directory, snapshot, tree

NOTHING_HELD = (
    "no plan of 'mirror' is held; a guard that trips holds one, and --now --dry-run --save stores one"
)


def dirsync(jobs: Path, *arguments: str) -> Ended:
    return ended([sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), *arguments])


def spoken(jobs: Path, *arguments: str) -> str:
    """Give what a command tells people."""
    command = [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A job whose plan a guard holds."""
    tree(tmp_path / "s", {"new": b"x"})
    tree(tmp_path / "d", {"gone": b"gone", "gone too": b"gone"})
    return jobs_file(tmp_path, guard={"max_delete": 0, "min_free": "off"})


def test_held_plan_is_shown_and_approved(jobs: Path, tmp_path: Path) -> None:
    held = run_now(jobs)
    shown = spoken(jobs, "status")
    (status,) = dirsync(jobs, "status", "--json").events
    approved = dirsync(jobs, "approve", "mirror", "--json")
    (after,) = dirsync(jobs, "status", "--json").events

    assert held.outcome == (4, "held")
    assert held.result["error"].endswith("approve it with: dirsync approve mirror")
    assert "would create 1, delete 2, 1 B to copy; approve it with: dirsync approve mirror" in shown
    assert status["held"]["counts"]["deleted"] == 2
    assert "max_delete" in status["held"]["reason"]
    assert status["held"]["since"] >= held.result["started_at"]
    assert approved.outcome == (0, "succeeded")
    assert approved.counts == {"created": 1, "deleted": 2, "bytes_copied": 1}
    assert approved.paths("change") == {"new", "gone", "gone too"}
    assert approved.result["run_id"] == held.result["run_id"] + 1
    assert after["held"] is None
    assert after["last"]["run_id"] == approved.result["run_id"]
    assert snapshot(tmp_path / "d") == snapshot(tmp_path / "s")


def test_step_that_changed_makes_the_approval_partial(jobs: Path, tmp_path: Path) -> None:
    run_now(jobs)
    (tmp_path / "d" / "gone").write_bytes(b"edited")
    approved = dirsync(jobs, "approve", "mirror", "--json")

    assert approved.outcome == (3, "partial")
    assert approved.paths("failure") == {"gone"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mirror"], NOTHING_HELD),
        (["miror"], "no job 'miror'; did you mean 'mirror'?"),
        ([], "the following arguments are required: JOB; see --help"),
    ],
)
def test_nothing_to_approve_is_one_line_and_exit_2(jobs: Path, arguments: list[str], message: str) -> None:
    refused = dirsync(jobs, "approve", *arguments)

    assert (refused.code, refused.stdout, refused.stderr) == (2, "", f"dirsync: {message}\n")


def test_check_job_has_nothing_to_approve(tmp_path: Path) -> None:
    tree(tmp_path / "s", {})
    tree(tmp_path / "d", {})
    refused = dirsync(jobs_file(tmp_path, type="check"), "approve", "mirror")

    assert (refused.code, refused.stderr) == (
        2,
        "dirsync: 'mirror' is a check job, which changes nothing to approve\n",
    )


def test_dry_run_saved_is_approved_though_no_guard_tripped(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"new": b"x"})
    jobs = jobs_file(tmp_path)
    saved = run_now(jobs, "--dry-run", "--save")
    approved = dirsync(jobs, "approve", "mirror", "--json")

    assert saved.outcome == (0, "succeeded")
    assert "approve it with: dirsync approve mirror" in saved.stderr
    assert approved.outcome == (0, "succeeded")
    assert snapshot(tmp_path / "d") == snapshot(tmp_path / "s")


@pytest.mark.parametrize("type_", ["check", "track"])
def test_dry_run_of_a_job_that_changes_nothing_says_that_it_saves_no_plan(tmp_path: Path, type_: str) -> None:
    tree(tmp_path / "s", Directory(mtime_ns=1))
    tree(tmp_path / "d", Directory(mtime_ns=1))
    job = {"type": type_, "source": "s"} | ({} if type_ == "track" else {"destination": "d"})
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text(json.dumps({"version": 1, "jobs": {"a": job}}))
    saved = run_now(jobs, "--dry-run", "--save")

    assert saved.outcome == (0, "succeeded")
    told = f"no plan is stored: a {type_} job changes nothing that could be approved"
    assert told in saved.stderr


def test_damaged_plan_is_told_by_status_and_refused_by_approve(jobs: Path, tmp_path: Path) -> None:
    run_now(jobs)
    (tmp_path / "state" / "held" / "mirror").write_text("not a plan\n")
    shown = spoken(jobs, "status")
    approved = dirsync(jobs, "approve", "mirror", "--json")

    assert "cannot be used: it is damaged; run the job to get a new one" in shown
    assert approved.outcome == (5, "failed")
    assert "cannot be used: it is damaged" in approved.result["error"]


def test_sync_without_a_configuration_holds_nothing_to_approve(tmp_path: Path) -> None:
    tree(tmp_path / "s", {})
    tree(tmp_path / "d", {"gone": b"gone"})
    program = ["env", f"XDG_STATE_HOME={tmp_path}", sys.executable, str(CHECKOUT / "run.py")]
    refused = ended([*program, "sync", str(tmp_path / "s"), str(tmp_path / "d"), "--json"])

    assert refused.outcome == (4, "held")
    assert "approve" not in refused.result["error"]
    assert not list(tmp_path.glob("dirsync/*/held"))
