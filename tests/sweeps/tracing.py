"""The program under strace: what it calls on our files, and what comes of a call that fails."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from tests.program import CHECKOUT

_CALLS = (
    *("openat", "newfstatat", "fstat", "statx", "getdents64", "readlinkat", "read", "pread64", "lseek"),
    *("write", "pwrite64", "copy_file_range", "ftruncate", "ioctl", "fsync", "fdatasync", "syncfs"),
    *(operation + "xattr" for operation in ("get", "fget", "lget", "list", "flist", "llist")),
    *(operation + "xattr" for operation in ("set", "fset", "lset", "remove", "fremove", "lremove")),
    *("renameat", "renameat2", "rename", "unlinkat", "unlink", "mkdirat", "mkdir", "linkat", "symlinkat"),
    *(
        "fchmod",
        "chmod",
        "fchmodat",
        "fchown",
        "fchownat",
        "utimensat",
        "flock",
        "close",
        "statfs",
        "fstatfs",
    ),
)
_LINE = re.compile(rb"(\d+) +(\w+)\(")
_PATIENCE_SECONDS = 40.0


class Call(NamedTuple):
    """The n-th call of its kind in the main thread of a run."""

    name: str
    number: int  # from 1, as strace counts


class Traced(NamedTuple):
    """How a run under strace ended."""

    code: int  # negative: by that signal
    hung: bool
    stderr: str
    injected: bool  # whether a call on our files was made to fail


class TracedProgram:
    """One command of ours, run in a new process each time; made by `traced_program`."""

    def __init__(self, folder: Path, served: subprocess.Popen[bytes], *, stderr: Path) -> None:
        self._folder = os.fsencode(folder)
        self._log = folder.with_suffix(".strace")
        self._stderr = stderr
        self._served = served
        self._told()  # it has run once, and is ready

    def calls(self) -> list[Call]:
        """Run undisturbed, and list the calls that are made on what is below the folder."""
        selected = ",".join(f"?{name}" for name in _CALLS)
        self._run(["-e", f"trace={selected}"])
        return list(_calls(self._log.read_bytes(), self._folder))

    def run_failing(self, call: Call, *, error: str, times: str) -> Traced:
        """Run with a call that fails; `times` as strace has it: nothing for once, `+` for ever after."""
        injection = f"inject={call.name}:error={error}:when={call.number}{times}"
        code, hung = self._run(["-e", f"trace={call.name}", "-e", injection])
        lines = self._log.read_bytes().splitlines()
        injected = any(b"(INJECTED)" in line and _is_on_our_files(line, self._folder) for line in lines)
        return Traced(code, hung, self._stderr.read_text(errors="replace"), injected)

    def _run(self, options: Sequence[str]) -> tuple[int, bool]:
        """Run once under strace; give how it ended, and whether it had to be killed."""
        self._tell()
        child = self._told()
        with subprocess.Popen(
            ["strace", "-f", "-y", "-e", "signal=none", "-o", str(self._log), *options, "-p", str(child)],
            stderr=subprocess.PIPE,
        ) as tracer:
            assert tracer.stderr is not None
            attached = tracer.stderr.readline()
            assert b"attached" in attached, attached
            hung = threading.Event()
            timer = threading.Timer(_PATIENCE_SECONDS, _kill, (child, hung))
            timer.start()
            self._tell()
            code = self._told()
            timer.cancel()
            tracer.stderr.read()
        return code, hung.is_set()

    def _tell(self) -> None:
        _pipe(self._served.stdin).write(b"x")

    def _told(self) -> int:
        return int(_pipe(self._served.stdout).readline())


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _kill(child: int, hung: threading.Event) -> None:
    hung.set()
    os.kill(child, signal.SIGKILL)


@contextlib.contextmanager
def traced_program(folder: Path, arguments: Sequence[str]) -> Iterator[TracedProgram]:
    """Give a command of ours, ready to run; `folder` holds what it works on, which must be there."""
    stderr = folder.with_suffix(".stderr")
    command = [sys.executable, "-m", "tests.sweeps.ready", str(stderr), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, bufsize=0) as served:
        try:
            yield TracedProgram(folder, served, stderr=stderr)
        finally:
            _pipe(served.stdin).close()


def _calls(log: bytes, folder: bytes) -> Iterator[Call]:
    main: bytes | None = None
    counts: Counter[str] = Counter()
    for line in log.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        main = main or found[1]
        if found[1] != main:
            continue
        name = found[2].decode()
        counts[name] += 1
        if _is_on_our_files(line, folder):
            yield Call(name, counts[name])


def _is_on_our_files(line: bytes, folder: bytes) -> bool:
    """Whether a call names a path or a handle below the folder, or a name in a directory by its handle."""
    return folder in line or b'xattr("/proc/self/fd/' in line
