"""Small files in C without Python, under the address and the undefined-behaviour sanitizer."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.program import CHECKOUT

_SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
_STRICT = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
_FAILING = ["malloc", "calloc", "realloc", "openat", "close", "fstat", "pread", "write", "fchown", "fchmod"]
_FAILING += ["futimens", "flistxattr", "clock_gettime", "syscall"]


@pytest.mark.parametrize("place", [None, "/dev/shm"], ids=["disk", "tmpfs"])
def test_no_path_through_it_reads_writes_or_leaves_what_it_should_not(
    place: str | None, tmp_path: Path
) -> None:
    program = tmp_path / "small_test"
    wrapped = "-Wl," + ",".join(f"--wrap={name}" for name in _FAILING)
    source = CHECKOUT / "tests/native/small_test.c"
    subprocess.run(["gcc", *_STRICT, *_SANITIZED, wrapped, "-o", str(program), str(source)], check=True)
    with tempfile.TemporaryDirectory(dir=place or tmp_path) as folder:
        ended = subprocess.run(
            [program, folder],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"},
        )

    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    assert ended.stdout.endswith("0 problems\n")
