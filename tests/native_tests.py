"""Tests that are written in C, built with the sanitizers and run."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.program import CHECKOUT

_SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
_STRICT = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pthread"]


def check_native(name: str, *, place: Path, wrapped: Sequence[str], options: Sequence[str] = ()) -> None:
    """Build `tests/native/NAME.c` and run it in a new directory below `place`: it must find nothing wrong.

    `wrapped` are the functions that it puts itself in the place of.
    """
    with tempfile.TemporaryDirectory(dir=place) as folder:
        program = Path(folder, name)
        source = CHECKOUT / f"tests/native/{name}.c"
        wraps = "-Wl," + ",".join(f"--wrap={function}" for function in wrapped)
        compiled = ["gcc", *_STRICT, *_SANITIZED, *options, wraps, "-o", str(program), str(source)]
        subprocess.run(compiled, check=True)
        (worked_in := Path(folder, "work")).mkdir()
        ended = subprocess.run(
            [program, worked_in],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"},
        )

    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    assert ended.stdout.endswith("0 problems\n")
