"""One command of a hook: what goes in, what comes out, and how it ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dirsync.errors import Cancelled
from dirsync.runner.hooks.command import KEPT_BYTES, Ended, run_command


def nothing() -> None: ...


def sh(
    script: str,
    *,
    told: bytes = b"",
    seconds: float | None = 30,
    check: Callable[[], None] = nothing,
    directory: str = "/",
) -> Ended:
    return run_command(
        ["sh", "-c", script],
        directory=directory,
        environment=dict(os.environ),
        told=told,
        timeout_seconds=seconds,
        check=check,
    )


def is_there(pid: int) -> bool:
    """Whether a process is still there, and not only its remains."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int) -> bool:
    ends_at = time.monotonic() + 5
    while is_there(pid) and time.monotonic() < ends_at:
        time.sleep(0.02)
    return not is_there(pid)


def test_both_outputs_are_heard_in_order_and_the_code_told() -> None:
    ended = sh("echo one; echo two >&2; exit 7")

    assert ended == Ended(code=7, timed_out=False, output=b"one\ntwo\n", dropped_bytes=0)


def test_what_it_is_told_is_its_standard_input() -> None:
    told = b"x" * 1_000_000

    assert sh("wc -c", told=told).output.strip() == b"1000000"


@pytest.mark.parametrize("script", ["true", "exec <&-; sleep 0.3", "head -c 1 >/dev/null"])
def test_one_that_does_not_read_what_it_is_told_is_left_alone(script: str) -> None:
    assert sh(script, told=b"x" * 1_000_000).code == 0


def test_one_that_writes_and_reads_much_at_once_is_not_held_up() -> None:
    ended = sh("cat; head -c 3000000 /dev/zero", told=b"y" * 500_000)

    assert ended.code == 0
    assert ended.output == b"y" * KEPT_BYTES
    assert ended.dropped_bytes == 3_500_000 - KEPT_BYTES


def test_one_that_closes_its_outputs_is_waited_for() -> None:
    assert sh("exec >&- 2>&-; sleep 0.3; exit 3").code == 3


def test_what_it_leaves_in_the_background_is_not_waited_for_and_lives_on() -> None:
    begun_at = time.monotonic()
    ended = sh("sleep 30 & echo $!")
    pid = int(ended.output)
    lives = is_there(pid)
    os.kill(pid, signal.SIGKILL)

    assert time.monotonic() - begun_at < 5
    assert (ended.code, lives) == (0, True)


def test_one_that_takes_too_long_is_ended_with_all_it_started() -> None:
    ended = sh("trap 'echo asked; exit 0' TERM; sleep 60 & echo $!; wait", seconds=0.5)
    pid, *rest = ended.output.split()

    assert (ended.timed_out, rest) == (True, [b"asked"])
    assert gone(int(pid))


def test_one_that_does_not_listen_is_killed() -> None:
    begun_at = time.monotonic()
    ended = sh("trap '' TERM; echo $$; while :; do sleep 0.1; done", seconds=0.3)

    assert 2 < time.monotonic() - begun_at < 10
    assert (ended.code, ended.timed_out) == (-signal.SIGKILL, True)
    assert gone(int(ended.output))


def test_what_its_check_raises_ends_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def check() -> None:
        if pid_file.exists() and pid_file.read_text():
            raise Cancelled("stopped by signal 15", signal_number=15)

    with pytest.raises(Cancelled):
        sh(f"echo $$ >'{pid_file}'; exec sleep 60", check=check)

    assert gone(int(pid_file.read_text()))


def test_it_runs_in_its_directory_as_a_session_of_its_own(tmp_path: Path) -> None:
    ended = sh("pwd; cut -d' ' -f6 /proc/self/stat; echo $$", directory=str(tmp_path))

    place, session, pid = ended.output.decode().split()
    assert (place, session) == (str(tmp_path), pid)


def test_one_that_cannot_be_started_says_so() -> None:
    with pytest.raises(OSError, match="No such file"):
        run_command(
            ["no-such-program-here"],
            directory="/",
            environment={"PATH": "/bin"},
            told=b"",
            timeout_seconds=None,
            check=nothing,
        )


def test_no_file_of_this_process_reaches_it(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        listed = sh("ls /proc/self/fd").output.split()
    finally:
        os.close(descriptor)

    assert {int(each) for each in listed} <= {0, 1, 2, 3}  # the last: the directory that is listed
