"""Hooks around real runs: which are run when, what they are told, what their ends mean."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from dirsync.errors import RunError
from dirsync.model.job import Command, Guard, Hooks, Job, Limit, MirrorJob, OnTrip, SymlinkPolicy
from dirsync.model.place import LocalPlace
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Deadline, Stop
from dirsync.runner.hooks.around import HookedRun
from dirsync.runner.ledger import open_ledger
from dirsync.runner.lock import locked_job
from dirsync.runner.observer import Silent
from dirsync.runner.run import approve_job, run_job
from tests.jobs import Watched, sync_job, track_job
from tests.trees import tree


def note(text: str = "", *, code: int = 0) -> Command:
    """Make a command that notes that it ran, and with what outcome before it."""
    return ("sh", "-c", f'echo "$DIRSYNC_HOOK{text} ${{DIRSYNC_OUTCOME-}}" >>noted; exit {code}')


def noted(place: Path) -> list[str]:
    """List what was noted."""
    file = place / "noted"
    return [line.strip() for line in file.read_text().splitlines()] if file.exists() else []


def mirror(place: Path, **hooks: Any) -> MirrorJob:
    """Declare a job with hooks, from `s` with one file to `d`."""
    if not (place / "s").exists():
        tree(place / "s", {"a": b"1"})
    return replace(sync_job(place / "s", place / "d"), hooks=Hooks(directory=str(place), **hooks))


ALL: dict[str, tuple[Command, ...]] = {
    "before": (note(),),
    "after": (note(),),
    "on_error": (note(),),
    "finally_": (note(),),
}


def run(job: Job, place: Path, *, stop: Stop | None = None, **more: Any) -> tuple[RunResult, Watched]:
    watched = Watched()
    result = run_job(job, state=str(place / "state"), observer=watched, stop=stop or Stop(), **more)
    return result, watched


def recorded(place: Path) -> tuple[Outcome | None, int, str | None]:
    """Give outcome, created and error of the newest run in the ledger."""
    with open_ledger(str(place / "state")) as ledger:
        row = ledger.runs(limit=1)[0]
    return row.outcome, row.counts.created, row.error


def test_hooks_of_a_run_that_succeeds(tmp_path: Path) -> None:
    result, _ = run(mirror(tmp_path, **ALL), tmp_path)

    assert result.outcome is Outcome.SUCCEEDED
    assert noted(tmp_path) == ["before", "after succeeded", "finally succeeded"]


def test_commands_of_a_hook_are_run_in_order(tmp_path: Path) -> None:
    run(mirror(tmp_path, before=tuple(note(f"-{n}") for n in range(4))), tmp_path)

    assert noted(tmp_path) == ["before-0", "before-1", "before-2", "before-3"]


def test_before_hook_that_exits_with_75_skips_the_run(tmp_path: Path) -> None:
    hooks = {**ALL, "before": (note(code=75), note("-second"))}
    result, _ = run(mirror(tmp_path, **hooks), tmp_path)

    assert result.outcome is Outcome.SKIPPED
    assert result.error == "'mirror': before hook 'sh' skipped the run"
    assert noted(tmp_path) == ["before", "finally skipped"]
    assert not (tmp_path / "d").exists()
    assert recorded(tmp_path) == (Outcome.SKIPPED, 0, result.error)


def test_before_hook_that_fails_fails_the_run(tmp_path: Path) -> None:
    failing: Command = ("sh", "-c", "echo first; echo no such disk >&2; exit 3")
    hooks = {**ALL, "before": (note(), failing, note("-third"))}
    result, _ = run(mirror(tmp_path, **hooks), tmp_path)

    assert result.outcome is Outcome.FAILED
    assert result.error == (
        "'mirror': before hook 'sh' exited with 3 ('no such disk'); nothing was changed; "
        "mend it, or let it exit with 75 to skip"
    )
    assert noted(tmp_path) == ["before", "on_error failed", "finally failed"]
    assert not (tmp_path / "d").exists()
    assert recorded(tmp_path) == (Outcome.FAILED, 0, result.error)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("no-such-program",), "cannot be started: 'no-such-program': No such file or directory"),
        (("./s",), "cannot be started: './s': Permission denied"),
        (("sh", "-c", "kill -9 $$"), "was ended by signal 9"),
        (("sleep", "60"), "did not end within 0.2s and was killed ('timeout' of 'hooks')"),
    ],
)
def test_what_keeps_a_before_hook_from_its_end_is_told(tmp_path: Path, command: Command, told: str) -> None:
    result, _ = run(mirror(tmp_path, before=(command,), timeout_seconds=0.2), tmp_path)

    assert result.outcome is Outcome.FAILED
    assert f"before hook '{command[0]}' {told}; nothing was changed" in str(result.error)


def test_hooks_that_cannot_be_run_anywhere_fail_the_run(tmp_path: Path) -> None:
    job = mirror(tmp_path, before=(("true",),))
    assert job.hooks is not None
    result, _ = run(replace(job, hooks=replace(job.hooks, directory=str(tmp_path / "gone"))), tmp_path)

    assert result.outcome is Outcome.FAILED
    assert f"cannot be started: '{tmp_path}/gone': No such file or directory" in str(result.error)


def test_hooks_of_a_run_that_is_partial(tmp_path: Path) -> None:
    """It came to its end, and it needs a look: both are told."""
    job = replace(mirror(tmp_path, **ALL), symlinks=SymlinkPolicy.FOLLOW)
    (tmp_path / "s" / "dangling").symlink_to("nowhere")
    result, _ = run(job, tmp_path)

    assert result.outcome is Outcome.PARTIAL
    assert noted(tmp_path) == ["before", "after partial", "on_error partial", "finally partial"]


def test_hooks_of_a_run_that_fails(tmp_path: Path) -> None:
    job = mirror(tmp_path, **ALL)
    result, _ = run(replace(job, source=LocalPlace(path=os.fsencode(tmp_path / "gone"))), tmp_path)

    assert result.outcome is Outcome.FAILED
    assert noted(tmp_path) == ["before", "on_error failed", "finally failed"]


def test_hooks_of_a_run_that_is_held(tmp_path: Path) -> None:
    tree(tmp_path / "d", {"x": b"", "y": b""})
    guard = Guard(max_delete=Limit(absolute=0), min_free=None)
    result, _ = run(replace(mirror(tmp_path, **ALL), guard=guard), tmp_path)

    assert result.outcome is Outcome.HELD
    assert noted(tmp_path) == ["before", "on_error held", "finally held"]


def test_hooks_of_a_run_that_is_skipped_by_itself(tmp_path: Path) -> None:
    guard = Guard(mountpoint=True, min_free=None)
    result, _ = run(replace(mirror(tmp_path, **ALL), guard=guard), tmp_path)

    assert result.outcome is Outcome.SKIPPED
    assert noted(tmp_path) == ["before", "finally skipped"]


def test_run_that_finds_the_job_locked_has_no_hooks(tmp_path: Path) -> None:
    job = mirror(tmp_path, **ALL)
    with locked_job(str(tmp_path / "state"), job.name):
        result, _ = run(job, tmp_path)

    assert result.outcome is Outcome.SKIPPED
    assert noted(tmp_path) == []


def test_before_hooks_are_run_under_the_jobs_lock(tmp_path: Path) -> None:
    """So two runs never mount or unmount beneath each other."""
    seen: list[Outcome] = []
    job = mirror(tmp_path, before=(("sh", "-c", "touch begun; while [ ! -e go ]; do sleep 0.02; done"),))
    first = threading.Thread(target=lambda: seen.append(run(job, tmp_path)[0].outcome))
    first.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    second, _ = run(job, tmp_path)
    (tmp_path / "go").touch()
    first.join()

    assert (second.outcome, seen) == (Outcome.SKIPPED, [Outcome.SUCCEEDED])


def test_after_hook_that_fails_makes_a_good_run_a_failed_one(tmp_path: Path) -> None:
    """What was counted stays, the ledger tells both, and the hooks that follow hear of it."""
    hooks = {**ALL, "after": (note(code=3), note("-second"))}
    result, watched = run(mirror(tmp_path, **hooks), tmp_path)

    assert result.outcome is Outcome.FAILED
    assert result.error == "'mirror': after hook 'sh' exited with 3; the run itself did all"
    assert result.counts.created == 1
    assert (tmp_path / "d" / "a").read_bytes() == b"1"
    assert noted(tmp_path) == ["before", "after succeeded", "on_error failed", "finally failed"]
    assert recorded(tmp_path) == (Outcome.FAILED, 1, result.error)
    assert watched.notices == []


def test_finally_hook_that_fails_makes_a_good_run_a_failed_one(tmp_path: Path) -> None:
    """The commands that follow it are run all the same."""
    hooks = {**ALL, "finally_": (note(code=32), note("-second"))}
    result, _ = run(mirror(tmp_path, **hooks), tmp_path)

    assert result.outcome is Outcome.FAILED
    assert result.error == "'mirror': finally hook 'sh' exited with 32; the run itself did all"
    assert noted(tmp_path) == [
        *("before", "after succeeded", "finally succeeded", "finally-second failed"),
    ]
    assert recorded(tmp_path) == (Outcome.FAILED, 1, result.error)


def test_on_error_hook_that_fails_changes_nothing_and_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = {"before": (("false",),), "on_error": (note(code=4), note("-second")), "finally_": (("false",),)}
    result, watched = run(mirror(tmp_path, **hooks), tmp_path)

    assert "before hook 'false' exited with 1" in str(result.error)
    assert noted(tmp_path) == ["on_error failed", "on_error-second failed"]
    assert watched.notices == ["on_error hook 'sh' exited with 4", "finally hook 'false' exited with 1"]
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "'mirror': on_error hook 'sh' exited with 4" in errors


def test_dry_run_runs_no_hooks_and_says_so(tmp_path: Path) -> None:
    result, watched = run(mirror(tmp_path, **ALL), tmp_path, dry_run=True)

    assert result.outcome is Outcome.SUCCEEDED
    assert noted(tmp_path) == []
    assert watched.notices == ["hooks are not run in a dry run"]


def test_approval_runs_hooks(tmp_path: Path) -> None:
    tree(tmp_path / "d", {"x": b"", "y": b""})
    guard = Guard(max_delete=Limit(absolute=0), min_free=None, on_trip=OnTrip.HOLD)
    job = replace(mirror(tmp_path, **ALL), guard=guard)
    run(job, tmp_path)
    (tmp_path / "noted").unlink()
    result = approve_job(job, state=str(tmp_path / "state"), observer=Silent(), stop=Stop())

    assert result.outcome is Outcome.SUCCEEDED
    assert noted(tmp_path) == ["before", "after succeeded", "finally succeeded"]


def test_before_hook_may_bring_both_ends(tmp_path: Path) -> None:
    tree(tmp_path / "away", {"s": {"a": b"1"}, "d": {}})
    (tmp_path / "s").mkdir()
    job = mirror(tmp_path, before=(("sh", "-c", "rmdir s; mv away/* ."),))
    result, _ = run(job, tmp_path)

    assert (result.outcome, result.counts.created) == (Outcome.SUCCEEDED, 1)


def test_scan_of_a_track_job_begins_after_its_before_hooks(tmp_path: Path) -> None:
    """The third run could scan ahead; what its hook puts in place is what it sees."""
    tree(tmp_path / "s", {"a": b"1"})
    state = tmp_path / "state"
    job = replace(track_job(tmp_path / "s", state), hooks=Hooks(directory=str(tmp_path)))
    for _ in range(2):
        run(job, tmp_path)
    script = "sleep 0.3; echo 22 >s/a; echo 3 >s/b"
    result, _ = run(
        replace(job, hooks=Hooks(directory=str(tmp_path), before=(("sh", "-c", script),))), tmp_path
    )

    assert (result.outcome, result.counts.created, result.counts.modified) == (Outcome.SUCCEEDED, 1, 1)
    again, _ = run(job, tmp_path)
    assert again.counts.changes == 0


def test_hook_is_told_of_its_run(tmp_path: Path) -> None:
    tell: Command = ("sh", "-c", 'env >"$DIRSYNC_HOOK.env"; cat >"$DIRSYNC_HOOK.json"')
    job = mirror(tmp_path, before=(tell,), after=(tell,))
    result, _ = run(job, tmp_path)

    def facts(hook: str) -> tuple[dict[str, str], dict[str, Any]]:
        lines = (tmp_path / f"{hook}.env").read_text().splitlines()
        variables = dict(line.split("=", 1) for line in lines if line.startswith("DIRSYNC_"))
        text = (tmp_path / f"{hook}.json").read_text()
        assert text.count("\n") == 1
        return variables, json.loads(text)

    places = {"DIRSYNC_SOURCE": f"{tmp_path}/s", "DIRSYNC_DESTINATION": f"{tmp_path}/d"}
    known = {"DIRSYNC_JOB": "mirror", "DIRSYNC_TYPE": "sync", "DIRSYNC_RUN_ID": "1", **places}
    variables, told = facts("before")
    assert variables == {**known, "DIRSYNC_HOOK": "before"}
    assert told.pop("started_at")
    assert told == {
        "event": "begin", "job": "mirror", "run_id": 1, "type": "sync", "dry_run": False, "hook": "before",
        "source": f"{tmp_path}/s", "destination": f"{tmp_path}/d",
    }  # fmt: skip
    variables, told = facts("after")
    assert variables == {
        **known, "DIRSYNC_HOOK": "after", "DIRSYNC_OUTCOME": "succeeded", "DIRSYNC_ERROR": "",
        "DIRSYNC_EXIT_CODE": "0", "DIRSYNC_SCANNED": "1", "DIRSYNC_CREATED": "1", "DIRSYNC_MODIFIED": "0",
        "DIRSYNC_METADATA": "0", "DIRSYNC_MOVED": "0", "DIRSYNC_DELETED": "0", "DIRSYNC_FAILED": "0",
        "DIRSYNC_BYTES_COPIED": "1",
    }  # fmt: skip
    assert (told["event"], told["outcome"], told["exit_code"]) == ("result", "succeeded", 0)
    assert (told["counts"]["created"], told["run_id"]) == (1, result.run_id)


def test_hook_of_a_track_job_is_told_of_no_destination(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"1"})
    script = 'cat >json; echo "${DIRSYNC_DESTINATION-none} $DIRSYNC_TYPE $DIRSYNC_SOURCE" >env'
    hooks = Hooks(directory=str(tmp_path), finally_=(("sh", "-c", script),))
    run(replace(track_job(tmp_path / "s", tmp_path / "state"), hooks=hooks), tmp_path)

    assert (tmp_path / "env").read_text() == f"none track {tmp_path}/s\n"
    assert "destination" not in json.loads((tmp_path / "json").read_text())


def test_places_of_any_bytes_reach_hooks_as_they_are(tmp_path: Path) -> None:
    source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xc3\xa4"))
    tree(source, {"a": b"1"})
    script = 'cat >json; printf %s "$DIRSYNC_SOURCE" >env'
    hooks = Hooks(directory=str(tmp_path), after=(("sh", "-c", script),))
    run(replace(sync_job(source, tmp_path / "d"), hooks=hooks), tmp_path)

    assert (tmp_path / "env").read_bytes() == os.fsencode(source)
    told = json.loads((tmp_path / "json").read_bytes().decode())
    assert told["source_bytes"].endswith("/%FF%C3%A4")


def test_hooks_get_neither_secrets_nor_what_an_outer_hook_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_PASSWORD", "hush-hush")
    monkeypatch.setenv("DIRSYNC_OUTCOME", "of an outer run")
    monkeypatch.setenv("MINE", "kept")
    script = 'cat >json; env >env; echo "it is hush-hush" >&2; exit 1'
    job = mirror(
        tmp_path, before=(("sh", "-c", script),), on_error=(("sh", "-c", "cat >later; env >>later"),)
    )
    assert job.hooks is not None
    job = replace(job, hooks=replace(job.hooks, withheld=frozenset({"PG_PASSWORD"})))
    result, _ = run(job, tmp_path, mask=lambda text: text.replace("hush-hush", "***"))

    given = (tmp_path / "env").read_text().splitlines()
    assert "MINE=kept" in given
    assert not [line for line in given if line.startswith(("DIRSYNC_OUTCOME=", "PG_PASSWORD="))]
    assert "('it is ***')" in str(result.error)
    assert "hush-hush" not in (tmp_path / "later").read_text()
    assert "hush-hush" not in str(recorded(tmp_path))


def test_output_is_logged_line_by_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dirsync")
    job = mirror(
        tmp_path,
        before=(("sh", "-c", r"printf 'one\n\033[1mtwo\377\n'"),),
        finally_=(("sh", "-c", "head -c 70000 /dev/zero | tr '\\0' 'x'; exit 1"),),
    )
    run(job, tmp_path)

    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert ("INFO", "before hook 'sh': one") in lines
    assert ("INFO", r"before hook 'sh': \x1b[1mtwo\xff") in lines
    assert ("WARNING", "finally hook 'sh': … and 4464 bytes more") in lines


def request_when(file: Path, stop: Stop) -> threading.Thread:
    """Ask to stop as soon as a file is there."""

    def wait() -> None:
        while not file.exists():
            time.sleep(0.01)
        stop.request(15)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_signal_ends_a_before_hook_and_cancels_the_run(tmp_path: Path) -> None:
    hooks = {**ALL, "before": (("sh", "-c", "touch begun; sleep 60"), note("-second"))}
    stop = Stop()
    asking = request_when(tmp_path / "begun", stop)
    begun_at = time.monotonic()
    result, _ = run(mirror(tmp_path, **hooks), tmp_path, stop=stop)
    asking.join()

    assert time.monotonic() - begun_at < 5
    assert (result.outcome, result.signal_number) == (Outcome.CANCELLED, 15)
    assert noted(tmp_path) == ["finally cancelled"]


def test_signal_ends_an_after_hook_and_cancels_the_run(tmp_path: Path) -> None:
    hooks = {**ALL, "after": (("sh", "-c", "touch begun; sleep 60"), note("-second"))}
    stop = Stop()
    asking = request_when(tmp_path / "begun", stop)
    result, _ = run(mirror(tmp_path, **hooks), tmp_path, stop=stop)
    asking.join()

    assert (result.outcome, result.signal_number) == (Outcome.CANCELLED, 15)
    assert result.error == "stopped by signal 15; the run itself did all"
    assert noted(tmp_path) == ["before", "finally cancelled"]
    assert recorded(tmp_path)[:2] == (Outcome.CANCELLED, 1)


def test_signal_lets_a_finally_hook_finish(tmp_path: Path) -> None:
    """Who has mounted something unmounts it."""
    hooks = {"finally_": (("sh", "-c", "touch begun; sleep 0.5; touch finished"),)}
    stop = Stop()
    asking = request_when(tmp_path / "begun", stop)
    result, _ = run(mirror(tmp_path, **hooks), tmp_path, stop=stop)
    asking.join()

    assert (tmp_path / "finished").exists()
    assert result.outcome is Outcome.SUCCEEDED


def test_time_limit_of_the_job_ends_a_before_hook_but_not_what_follows(tmp_path: Path) -> None:
    job = replace(mirror(tmp_path, **{**ALL, "before": (("sleep", "60"),)}), timeout_seconds=0.3)
    result, _ = run(job, tmp_path)

    assert (result.outcome, result.error) == (Outcome.FAILED, "not done within its time limit of 0.3 s")
    assert noted(tmp_path) == ["on_error failed", "finally failed"]


@pytest.mark.parametrize("error", [RunError("the ledger is gone"), ZeroDivisionError()])
def test_run_that_breaks_off_is_followed_by_its_hooks(tmp_path: Path, error: Exception) -> None:
    """Whatever broke it, what the hooks before it did is undone."""
    job = mirror(tmp_path, **ALL)
    assert job.hooks is not None
    now = datetime.now(UTC)
    deadline = Deadline(Stop(), timeout_seconds=None)
    hooked = HookedRun(
        job, job.hooks, run_id=1, started_at=now, observer=Silent(), deadline=deadline, mask=str
    )

    def work() -> RunResult:
        raise error

    def ended(reason: RunError) -> RunResult:
        return RunResult(
            job=job.name,
            run_id=1,
            type=job.type,
            outcome=Outcome.FAILED,
            dry_run=False,
            started_at=now,
            finished_at=now,
            error=str(reason),
        )

    with pytest.raises(type(error)):
        hooked.run(work, ended=ended)

    assert noted(tmp_path) == ["before", "on_error failed", "finally failed"]


def test_run_that_is_killed_in_a_later_hook_leaves_what_it_did_on_record(tmp_path: Path) -> None:
    """It did not succeed, for it did not end; until then it goes on."""
    look = (
        "import sqlite3, sys; rows = sqlite3.connect('state/ledger.db').execute("
        "'SELECT outcome, created FROM runs').fetchall(); open('row', 'w').write(repr(rows))"
    )
    job = mirror(tmp_path, after=((sys.executable, "-c", look),))
    run(job, tmp_path)

    assert (tmp_path / "row").read_text() == "[(None, 1)]"
    assert recorded(tmp_path)[:2] == (Outcome.SUCCEEDED, 1)
