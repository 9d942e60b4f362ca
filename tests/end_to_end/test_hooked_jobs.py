"""Jobs with hooks, run as a user would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pinged import dead_man_service
from tests.program import CHECKOUT, Ended, argv, checked, ended, jobs_file, run_now, running
from tests.trees import tree
from tests.watches import until

NOTE = ["sh", "-c", 'echo "$DIRSYNC_HOOK $DIRSYNC_EXIT_CODE" >>noted; echo heard']


def noted(place: Path) -> list[str]:
    return [line.strip() for line in (place / "noted").read_text().splitlines()]


def test_source_and_destination_that_a_hook_mounts_are_mirrored_and_unmounted(tmp_path: Path) -> None:
    tree(tmp_path, {"real-s": {"a": b"1"}, "real-d": {}, "s": {}, "d": {}})
    hooks = {
        "before": [["mount", "--bind", "real-s", "s"], ["mount", "--bind", "real-d", "d"]],
        "after": [["ls", "d"]],
        "finally": [["umount", "d"], ["umount", "s"]],
    }
    run = run_now(jobs_file(tmp_path, hooks=hooks, guard={"mountpoint": True, "min_free": "off"}))

    assert run.outcome == (0, "succeeded")
    assert run.counts["created"] == 1
    assert (tmp_path / "real-d" / "a").read_bytes() == b"1"
    assert os.listdir(tmp_path / "d") == []
    assert "after hook 'ls': a\n" in (tmp_path / "logs" / "mirror.log").read_text()


@pytest.mark.parametrize("kind", ["sync", "check", "track"])
def test_every_kind_of_job_runs_its_hooks_and_says_nothing_of_it(tmp_path: Path, kind: str) -> None:
    tree(tmp_path, {"s": {"a": b"1"}, "d": {"a": b"other"}})
    jobs = jobs_file(tmp_path, hooks={"before": [NOTE], "after": [NOTE], "finally": [NOTE]}, type=kind)
    declared = json.loads(jobs.read_text())
    if kind == "track":
        mirror = declared["jobs"]["mirror"]
        declared["jobs"]["mirror"] = {key: mirror[key] for key in ("type", "source", "hooks")}
        jobs.write_text(json.dumps(declared))
    run = run_now(jobs)

    code = 1 if kind == "check" else 0
    assert run.code == code
    assert noted(tmp_path) == ["before", f"after {code}", f"finally {code}"]
    assert "heard" not in run.stdout


def test_skip_and_failure_of_a_before_hook_are_exit_codes(tmp_path: Path) -> None:
    tree(tmp_path, {"s": {"a": b"1"}})

    run = run_now(jobs_file(tmp_path, hooks={"before": [["sh", "-c", "exit 75"]]}))
    assert run.outcome == (75, "skipped")

    run = run_now(jobs_file(tmp_path, hooks={"before": [["sh", "-c", "exit 3"]]}))
    assert run.outcome == (5, "failed")
    assert run.result["error"].startswith("'mirror': before hook 'sh' exited with 3; ")


def test_failure_of_a_later_hook_is_told_to_people_once(tmp_path: Path) -> None:
    tree(tmp_path, {"s": {"a": b"1"}})
    jobs = jobs_file(tmp_path, hooks={"after": [["false"]], "on_error": [["sh", "-c", "exit 9"]]})
    command = [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs), "--now"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)

    assert process.returncode == 5
    told = process.stdout + process.stderr
    assert told.count("after hook 'false' exited with 1; the run itself did all") == 1
    assert told.count("on_error hook 'sh' exited with 9") == 1


def test_hook_with_a_secret_gets_neither_its_variable_nor_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUSH", "hush-hush-7")
    tree(tmp_path, {"s": {"a": b"1"}})
    jobs = jobs_file(tmp_path, hooks={"before": [["sh", "-c", "env >env; cat >>env"]]})
    declared = json.loads(jobs.read_text()) | {"secrets": {"one": {"environment": "HUSH"}}}
    jobs.write_text(json.dumps(declared))
    run_now(jobs)

    assert "DIRSYNC_JOB=mirror" in (tmp_path / "env").read_text()
    assert "hush" not in (tmp_path / "env").read_text().lower()


def test_signal_ends_the_hook_and_runs_those_of_finally(tmp_path: Path) -> None:
    tree(tmp_path, {"s": {"a": b"1"}})
    hooks = {"before": [["sh", "-c", "echo $$ >pid; sleep 60; true"]], "finally": [NOTE]}
    with running(argv(jobs_file(tmp_path, hooks=hooks))) as process:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    run = checked(Ended(process.returncode, out, err))

    assert run.outcome == (143, "cancelled")
    assert noted(tmp_path) == ["finally 143"]
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_scheduler_runs_hooks_and_stops_in_time_while_one_runs(tmp_path: Path) -> None:
    tree(tmp_path, {"s": {"a": b"1"}})
    hooks = {"before": [["sh", "-c", "touch begun; sleep 60; true"]], "finally": [NOTE]}
    jobs = jobs_file(tmp_path, hooks=hooks, interval="1h")
    with running([sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs)]) as process:
        until(lambda: (tmp_path / "begun").exists())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=5)

    assert process.returncode == 143
    assert noted(tmp_path) == ["finally 143"]


def test_hooks_are_shown_and_not_run_by_check(tmp_path: Path) -> None:
    tree(tmp_path, {"s": {"a": b"1"}})
    jobs = jobs_file(tmp_path, hooks={"before": [NOTE]})
    run = [sys.executable, str(CHECKOUT / "run.py")]
    checking = subprocess.run([*run, "check", "-c", str(jobs)], capture_output=True, text=True, check=True)
    showing = subprocess.run([*run, "show", "-c", str(jobs)], capture_output=True, text=True, check=True)

    assert checking.stderr == ""
    assert "before:" in showing.stdout
    assert not (tmp_path / "noted").exists()


def test_job_without_hooks_loads_nothing_of_them(tmp_path: Path) -> None:
    tree(tmp_path, {"s": {"a": b"1"}})
    code = (
        "import sys; from dirsync.cli.main import main; main(sys.argv[1:]); "
        "print([name for name in sys.modules if name.startswith('dirsync.runner.hooks') "
        "or name in ('dirsync.scheduler.stale', 'http.client', 'urllib.request')])"
    )
    command = [sys.executable, "-c", code, "-c", str(jobs_file(tmp_path)), "--now", "-q"]
    process = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT)

    assert process.stdout.strip() == "[]"


def test_plan_that_is_held_may_be_approved_with_hooks(tmp_path: Path) -> None:
    tree(tmp_path, {"s": {}, "d": {"a": b"", "b": b""}})
    guard = {"max_delete": 0, "min_free": "off", "source_not_empty": False}
    jobs = jobs_file(tmp_path, hooks={"after": [NOTE], "on_error": [NOTE]}, guard=guard)
    assert run_now(jobs).outcome == (4, "held")
    command = [sys.executable, str(CHECKOUT / "run.py"), "approve", "mirror", "-c", str(jobs), "--json"]

    assert ended(command).outcome == (0, "succeeded")
    assert noted(tmp_path) == ["on_error 4", "after 0"]


def test_scheduler_calls_the_dead_man_service_and_stops_in_time_while_it_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    tree(tmp_path, {"s": {"a": b"1"}})
    with dead_man_service() as service:
        service.hangs.set()
        jobs = jobs_file(tmp_path, ping_url=f"{service.address}/token", interval="1s")
        with running([sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs)]) as process:
            until(lambda: service.asked)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=5)

    assert (process.returncode, service.asked[0]) == (143, ("GET", "/token"))
    assert "token" not in out + err


def test_scheduler_raises_the_alarm_of_a_stale_job(tmp_path: Path) -> None:
    jobs = jobs_file(tmp_path, stale_after="1s", interval="1s")
    with running([sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs)]) as process:
        log = tmp_path / "logs" / "mirror.log"
        until(lambda: log.exists() and "stale: it has not succeeded yet" in log.read_text())
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)

    assert err.count("ERROR: mirror: stale: it has not succeeded yet, and 'stale_after' is 1s") == 1
