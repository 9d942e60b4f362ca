"""The tour's commands, as a newcomer would paste them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.program import CHECKOUT


def commands_of_the_tour() -> str:
    """Give the shell block of the README that sets up two ends."""
    tour = (CHECKOUT / "README.md").read_text().partition("## A tour")[2]
    blocks = [block.partition("```")[0] for block in tour.split("```sh\n")[1:]]
    (block,) = [block for block in blocks if "serve" in block]
    return block


def test_both_ends_are_set_up_on_one_machine_in_two_minutes(tmp_path: Path) -> None:
    python = f"{shlex.quote(sys.executable)} {shlex.quote(str(CHECKOUT / 'run.py'))}"
    script = commands_of_the_tour().replace("python run.py", python).replace("8443", "18443")
    begun_at = time.monotonic()

    process = subprocess.run(
        ["bash", "-e", "-m", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )

    assert process.returncode == 0, process.stderr
    assert "serving 1 share at https://127.0.0.1:18443; fingerprint sha256:" in process.stdout
    assert "letters  done: 1 created" in process.stdout
    assert process.stdout.endswith("hello\n") or "hello\n" in process.stdout
    assert time.monotonic() - begun_at < 120
