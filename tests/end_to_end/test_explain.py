"""`explain` of what no line excludes, and is not copied all the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dirsync.cli.main import main
from tests.program import jobs_file, mounted, run_now
from tests.trees import Fifo, Link, tree

pytestmark = pytest.mark.usefixtures("restored_logging")

TEMPORARY = ".dirsync-0123456789abcdef.tmp"
SKIPPED = "it is a symlink, and the job skips symlinks"
FOREIGN = "'m' is on another file system, and the job has 'one_file_system: true'"


def source(place: Path) -> Path:
    return tree(
        place / "s",
        {
            ".dirsync": {"x": b""},
            TEMPORARY: b"",
            "d": {".dirsync": b""},
            "f": Fifo(),
            "l": Link("d"),
            "m": {},
        },
    )


def told_and_run(
    place: Path, path: str, keys: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """Give what `explain` says of a path of a job, which is run then; `m` is another file system."""
    with mounted(source(place) / "m") as other:
        (other / "beyond").touch()
        jobs = jobs_file(place, **keys)
        said = explained(place, path, capsys)
        run_now(jobs)
    return said


def explained(place: Path, path: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Give what `explain --json` says of a path of the one job."""
    assert main(["explain", "mirror", path, "-c", str(place / "jobs.yaml"), "--json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


@pytest.mark.parametrize(
    ("path", "keys", "reason"),
    [
        (".dirsync/x", {}, "'.dirsync' at the top is dirsync's own, and no part of the tree"),
        (".dirsync", {"include": ["*"]}, "'.dirsync' at the top is dirsync's own, and no part of the tree"),
        (TEMPORARY, {}, "it is a temporary file of dirsync, and no part of the tree"),
        ("l", {"symlinks": "skip"}, SKIPPED),
        ("l", {"preserve": ["mtime"]}, SKIPPED),
        ("l/none", {}, "'l' is a symlink, which the job does not follow"),
        ("f", {}, "it is a socket, a FIFO or a device, which no job copies"),
        ("m/beyond", {"one_file_system": True}, FOREIGN),
    ],
)
def test_explain_says_why_what_no_line_excludes_is_not_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, keys: dict[str, Any], reason: str
) -> None:
    said = told_and_run(tmp_path, path, keys, capsys)

    assert (said["verdict"], said["reason"], said["pattern"]) == ("excluded", reason, None)
    assert not os.path.lexists(tmp_path / "d" / path)


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("d/.dirsync", {}),
        ("l", {}),
        ("l/.dirsync", {"symlinks": "follow"}),
        ("m", {"one_file_system": True}),
        ("m/beyond", {}),
    ],
)
def test_explain_calls_selected_what_is_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, keys: dict[str, Any]
) -> None:
    said = told_and_run(tmp_path, path, keys, capsys)

    assert said["verdict"] == "selected"
    assert os.path.lexists(tmp_path / "d" / path)


def test_a_track_job_records_a_fifo_and_explain_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source(tmp_path)
    (tmp_path / "jobs.yaml").write_text("version: 1\njobs:\n  mirror: {type: track, source: s}\n")

    assert explained(tmp_path, "f", capsys)["verdict"] == "selected"
