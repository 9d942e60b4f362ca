"""The native lister without Python, under the address and the undefined-behaviour sanitizer."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.program import CHECKOUT

_SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
_STRICT = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
_WITHOUT_STATX = ["-DDIRSYNC_WITHOUT_STATX"]


@pytest.mark.parametrize("options", [[], _WITHOUT_STATX], ids=["statx", "fstatat"])
@pytest.mark.parametrize("place", [None, "/dev/shm"], ids=["disk", "tmpfs"])
@pytest.mark.parametrize("tested", ["lister_test", "stride_test"])
def test_no_path_through_it_reads_writes_or_keeps_what_it_should_not(
    tested: str, place: str | None, options: list[str], tmp_path: Path
) -> None:
    program = tmp_path / tested
    source = CHECKOUT / f"tests/native/{tested}.c"
    wrapped = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"
    compiled = ["gcc", *_STRICT, *_SANITIZED, *options, "-pthread", wrapped, "-o", str(program), str(source)]
    subprocess.run(compiled, check=True)
    with tempfile.TemporaryDirectory(dir=place or tmp_path) as folder:
        ended = subprocess.run(
            [program, folder],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"},
        )

    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    assert ended.stdout.endswith("\n0 problems\n")
