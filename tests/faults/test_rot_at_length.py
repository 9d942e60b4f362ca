"""Many files rot on a real disk, and `verify` names each of them, and no other.

`DIRSYNC_ROTTED=1000` for so many; `-s` shows the figure.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import pytest

from tests.program import CHECKOUT, ended
from tests.rotting_disk import rotting_disk
from tests.trees import Node, tree

ROTTED = int(os.environ.get("DIRSYNC_ROTTED", "25"))
DIRECTORIES = 8


@pytest.mark.timeout(900)
def test_each_rotted_file_of_a_track_job_is_named_and_no_other(tmp_path: Path) -> None:
    draw = random.Random(1)
    names = [f"d{number % DIRECTORIES}/{number}" for number in range(2 * ROTTED)]
    rotten = sorted(draw.sample(names, ROTTED))
    with rotting_disk(tmp_path) as disk:
        content: dict[str, dict[str, Node]] = {f"d{number}": {} for number in range(DIRECTORIES)}
        for name in names:
            folder, _, file = name.partition("/")
            content[folder][file] = draw.randbytes(draw.randint(1, 3000))
        tree(disk.root, content)
        job = {
            "type": "track",
            "source": str(disk.root),
            "compare": ["size", "mtime", "hash"],
            "exclude": ["lost+found"],
        }
        jobs = tmp_path / "jobs.yaml"
        jobs.write_text(json.dumps({"version": 1, "state": str(tmp_path / "state"), "jobs": {"kept": job}}))
        program = [sys.executable, str(CHECKOUT / "run.py"), "-c", str(jobs)]
        assert ended([*program, "--now", "--json"]).code == 0
        for name in rotten:
            disk.rot(disk.root / name)

        assert ended([*program, "--now", "--json"]).events[-1]["counts"]["modified"] == 0
        verified = ended([*program, "verify", "kept", "--json"])

    named = sorted(event["path"] for event in verified.events if event["event"] == "rot")
    assert named == rotten
    assert verified.code == 1
    assert verified.events[-1]["verified"]["files"] == len(names)
    print(f"{len(named)} of {ROTTED} rotted files named, none of {ROTTED} that did not rot")
