"""The command line as a user meets it: what is printed where, and what the process answers."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dirsync.scan import chosen
from tests.program import CHECKOUT, argv, jobs_file
from tests.trees import tree

JOBS = """\
version: 1
defaults: {durability: none, guard: {max_delete: "off", min_free: "off"}}
jobs:
  photos: {source: photos, destination: backup/photos, interval: 1h, exclude: ["*.tmp"]}
  photos-raw: {source: raw, destination: backup/raw}
  compare: {type: check, source: photos, destination: backup/photos}
  old: {source: raw, destination: backup/old, enabled: false}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a directory with a jobs.yaml and what its jobs speak of."""
    tree(tmp_path, {"photos": {"a.jpg": b"a" * 3000, "b": {"c": b"c"}}, "raw": {"r": b"r"}, "backup": {}})
    (tmp_path / "jobs.yaml").write_text(JOBS)
    return tmp_path


def dirsync(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder and wait for its end."""
    return subprocess.run(
        [sys.executable, str(CHECKOUT / "run.py"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "xdg"), **more},
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def without_times(text: str) -> list[str]:
    return [re.sub(r" \([0-9. ]+m?s\)$", "", line) for line in text.splitlines()]


def test_now_runs_every_enabled_job_in_the_order_of_the_file(folder: Path) -> None:
    first = dirsync(folder, "--now")
    second = dirsync(folder, "--now")

    assert (first.returncode, first.stderr) == (0, "")
    assert without_times(first.stdout) == [
        "photos  done: 3 created, 3.0 kB copied",
        "photos-raw  done: 1 created, 1 B copied",
        "compare  no differences: 3 entries agree",
    ]
    assert without_times(second.stdout)[0] == "photos  unchanged: 3 entries agree"


def test_job_takes_wildcards_and_names_a_disabled_job(folder: Path) -> None:
    wild = dirsync(folder, "--now", "--job", "photos*")
    disabled = dirsync(folder, "--job", "old", "--now")
    unknown = dirsync(folder, "--now", "--job", "fotos")

    assert [line.split()[0] for line in wild.stdout.splitlines()] == ["photos", "photos-raw"]
    assert disabled.returncode == 0
    assert (folder / "backup/old/r").read_bytes() == b"r"
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "dirsync: no job 'fotos'; did you mean 'photos'?\n"


def test_dry_run_lists_what_would_happen_and_why_and_changes_nothing(folder: Path) -> None:
    dirsync(folder, "--now", "--job", "photos")
    (folder / "photos/a.jpg").write_bytes(b"aa")
    (folder / "photos/b/c").unlink()
    (folder / "photos/[red]new\n").write_bytes(b"12345")

    ended = dirsync(folder, "--now", "--job", "photos", "--dry-run")

    lines = without_times(ended.stdout)
    assert ended.returncode == 0
    assert "create    [red]new\\n  (5 B)" in lines
    assert "delete    b/c" in lines
    assert any(line.startswith("update    a.jpg  (size 3000→2, mtime +") for line in lines)
    assert lines[-1].startswith("photos  dry run: would create 1, update 1, ")
    assert (folder / "backup/photos/a.jpg").stat().st_size == 3000


def test_json_holds_nothing_else_and_ends_each_job_with_a_result(folder: Path) -> None:
    (folder / os.fsdecode(b"photos/\xff")).write_bytes(b"")

    ended = dirsync(folder, "--now", "--json", "-v", LC_ALL="C", PYTHONIOENCODING="latin-1")

    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0
    assert [event["job"] for event in events if event["event"] == "result"] == [
        "photos",
        "photos-raw",
        "compare",
    ]
    odd = next(event for event in events if "path_bytes" in event)
    assert (odd["kind"], odd["path"], odd["path_bytes"]) == ("created", "\\xff", "%FF")


def test_check_job_that_finds_differences_answers_1_and_says_how_they_differ(folder: Path) -> None:
    dirsync(folder, "--now", "--job", "photos")
    (folder / "photos/a.jpg").chmod(0o600)
    (folder / "backup/photos/more").write_bytes(b"")

    ended = dirsync(folder, "--now", "--job", "compare")

    lines = without_times(ended.stdout)
    assert ended.returncode == 1
    assert "differs   a.jpg  (mode 644→600)" in lines
    assert "extra     more" in lines


def test_failed_job_is_told_on_stderr_and_outweighs_the_others(folder: Path) -> None:
    (folder / "raw/r").unlink()
    (folder / "raw").rmdir()

    ended = dirsync(folder, "--now")

    assert ended.returncode == 5
    assert "photos-raw  failed" in without_times(ended.stdout)
    assert ended.stderr.startswith("photos-raw: source '")
    assert len(ended.stderr.splitlines()) == 1


def test_quiet_prints_errors_only(folder: Path) -> None:
    good = dirsync(folder, "--now", "-q", "--job", "photos")
    (folder / "raw/r").unlink()
    (folder / "raw").rmdir()
    bad = dirsync(folder, "--now", "-q", "--job", "photos-raw")

    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    assert (bad.returncode, bad.stdout) == (5, "")
    assert bad.stderr.startswith("photos-raw: source '")


def test_sync_needs_no_configuration_and_leaves_nothing_beside_it(folder: Path) -> None:
    ended = dirsync(folder, "sync", "photos", "copy", "--exclude", "/b/", "-l", "sync.log", "-v")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert [path.name for path in (folder / "copy").iterdir()] == ["a.jpg"]
    assert without_times(ended.stdout) == [
        "create    a.jpg  (3.0 kB)",
        "sync  done: 1 created, 3.0 kB copied",
        f"sync  note: {chosen.in_words()}",
    ]
    assert "sync#1" in (folder / "sync.log").read_text()
    assert {path.name for path in folder.iterdir()} == {
        "photos",
        "raw",
        "backup",
        "jobs.yaml",
        "copy",
        "sync.log",
        "xdg",
    }


def test_sync_again_and_again_until_a_signal(folder: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "run.py"), "sync", "photos", "copy", "-i", "1s"]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "xdg")}
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        (folder / "photos/new").write_bytes(b"")
        second = process.stdout.readline()
        while "created" not in second:
            second = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=5)

    assert "done: 3 created" in first
    assert (folder / "copy/new").read_bytes() == b""
    assert code == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_scheduler_ends_with_the_code_of_its_signal(number: signal.Signals, folder: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "run.py")]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        greeting, first = process.stdout.readline(), process.stdout.readline()
        process.send_signal(number)
        code = process.wait(timeout=5)

    assert greeting == "1 job on schedule: photos; end with Ctrl-C\n"
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  photos  done: 3 created", first)
    assert code == 128 + number


def test_reader_that_goes_away_ends_the_run_as_sigpipe_would(folder: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "run.py"), "--now", "-v"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        code = process.wait(timeout=30)
        errors = process.stderr.read() if process.stderr is not None else b""

    assert (code, errors) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_process_without_standard_streams_runs_all_the_same(closed: str, folder: Path) -> None:
    script = f"exec '{sys.executable}' '{CHECKOUT}/run.py' --now --job photos -v {closed}"

    code = subprocess.run(["sh", "-c", script], cwd=folder, timeout=60).returncode

    assert code == 0
    assert (folder / "backup/photos/a.jpg").read_bytes() == b"a" * 3000


def test_explain_names_file_line_and_rule(folder: Path) -> None:
    text = dirsync(folder, "explain", "photos", "b/x.tmp")
    machine = dirsync(folder, "-c", "jobs.yaml", "explain", "photos", str(folder / "photos/b"), "--json")
    outside = dirsync(folder, "explain", "photos", "../raw/r")

    assert text.stdout.splitlines()[:2] == ["b/x.tmp: excluded", "  excluded by '*.tmp' (jobs.yaml:4)"]
    assert json.loads(machine.stdout)["verdict"] == "selected"
    assert outside.returncode == 2
    assert "is not beneath the source of 'photos'" in outside.stderr


def test_scheduler_without_anything_to_wait_for_says_so_at_once(folder: Path) -> None:
    done = dirsync(folder, "--job", "photos-raw")

    assert done.returncode == 2
    assert "add --now to run at once" in done.stderr


def test_status_shows_the_last_and_the_next_run_of_each_job(folder: Path) -> None:
    dirsync(folder, "--now", "--job", "photos")

    lines = dirsync(folder, "status").stdout.splitlines()
    machine = [json.loads(line) for line in dirsync(folder, "status", "--json").stdout.splitlines()]

    assert re.match(r"photos +\S+ \S+ \(.* ago\) +succeeded +3 .* \(in (59 min .* s|1 h)\)$", lines[1])
    assert re.match(r"photos-raw +never .* when asked to$", lines[2])
    assert lines[4].endswith("disabled")
    assert machine[0]["last"]["outcome"] == "succeeded"
    assert machine[0]["last"]["counts"]["created"] == 3
    assert lines[5:] == [chosen.in_words()]
    assert {status["lister"] for status in machine} == {chosen.LISTER.value}


def test_every_problem_of_the_configuration_is_told_and_nothing_runs(folder: Path) -> None:
    (folder / "jobs.yaml").write_text(
        JOBS + "  bad: {source: x, destination: y, comapre: [size], delete: all}\n"
    )

    for arguments in (["check"], ["--now", "--json"], ["status"], ["show"], []):
        ended = dirsync(folder, *arguments)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert len(ended.stderr.splitlines()) == 2
        assert "jobs.yaml:8" in ended.stderr


def test_unwritable_log_is_a_warning_and_no_failure(folder: Path) -> None:
    (folder / "logs").write_text("in the way")

    ended = dirsync(folder, "--now", "--job", "photos")

    assert ended.returncode == 0
    assert ended.stderr.startswith(f"warning: log '{folder}/logs/photos.log' cannot be written: ")
    assert len(ended.stderr.splitlines()) == 1


def test_log_configuration_of_the_folder_goes_first_and_a_broken_one_is_a_usage_error(folder: Path) -> None:
    (folder / "log_conf.yaml").write_text("version: 1\n")
    silent = dirsync(folder, "--now", "--job", "photos")
    broken = dirsync(folder, "--now", "--log-conf", "nowhere.yaml")

    assert silent.returncode == 0
    assert not (folder / "logs").is_dir()
    assert (broken.returncode, broken.stderr) == (2, "nowhere.yaml: No such file or directory\n")


def test_terminal_gets_colours_and_a_pipe_does_not(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, str(CHECKOUT / "run.py"), "--now", "--job", "photos"]
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    subprocess.run(command, cwd=folder, stdout=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    piped = dirsync(folder, "--now", "--job", "photos").stdout

    assert "\x1b[32mdone\x1b[0m" in shown
    assert "\x1b" not in piped


def test_second_signal_ends_at_once(folder: Path) -> None:
    """A run that does not come to its end may be ended all the same."""
    script = (
        "import time\n"
        "from dirsync.cli.signals import stopping_on_signals\n"
        "with stopping_on_signals() as stop:\n"
        "    print('ready', flush=True)\n"
        "    while True: time.sleep(0.01)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=CHECKOUT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        still_running = process.poll() is None
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=5)

    assert still_running
    assert code == 130


def test_scheduler_picks_up_a_job_that_an_included_file_brings(folder: Path) -> None:
    (folder / "jobs.d").mkdir()
    (folder / "jobs.yaml").write_text("include: [jobs.d/*.yaml]\n" + JOBS)
    command = [sys.executable, str(CHECKOUT / "run.py"), "--job", "n*", "--job", "photos"]
    (folder / "jobs.d/first.yaml").write_text("jobs: {none: {source: ../raw, destination: ../backup/none}}\n")
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        (folder / "jobs.d/new.yaml").write_text(
            "jobs: {new: {source: ../raw, destination: ../backup/new, interval: 1h}}\n"
        )
        line = process.stdout.readline()
        process.terminate()
        process.wait(timeout=5)

    assert "  new  done: 1 created" in line


def test_output_that_is_full_is_one_line_though_more_is_told(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"1"})
    command = [*argv(jobs_file(tmp_path)), "-v"]
    with open("/dev/full", "w") as full:
        told = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)

    *_, last = told.stderr.splitlines()
    assert (told.returncode, last) == (5, "dirsync: standard output: No space left on device")
    assert "Traceback" not in told.stderr
