"""One place under two names by a bind mount is known as one (as root: it mounts)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.declared import problems_of


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Path]:
    """`data` once more, as the bind mount `bound`; `data/deep` as `bounddeep`."""
    top = tmp_path / "top"
    (top / "data" / "deep").mkdir(parents=True)
    for place, target in (("data", "bound"), ("data/deep", "bounddeep")):
        (top / target).mkdir()
        subprocess.run(["mount", "--bind", top / place, top / target], check=True)
    yield top
    for target in ("bound", "bounddeep"):
        subprocess.run(["umount", top / target], check=True)


@pytest.mark.parametrize(
    ("source", "destination", "line"),
    [
        ("data", "bound", "6: jobs.a.destination: is the source itself; name another directory"),
        (
            "data",
            "bound/new",
            "6: jobs.a.destination: is inside the source 'data'; name a directory outside of it",
        ),
        (
            "data",
            "bounddeep/new",
            "6: jobs.a.destination: is inside the source 'data'; name a directory outside of it",
        ),
        (
            "bounddeep",
            "bound",
            "5: jobs.a.source: is inside the destination 'bound'; name a destination that does not hold it",
        ),
    ],
)
def test_bind_mounts_are_seen_through(bound: Path, source: str, destination: str, line: str) -> None:
    text = f"version: 1\nstate: ../state\njobs:\n  a:\n    source: {source}\n    destination: {destination}\n"

    assert problems_of(bound, text) == [f"jobs.yaml:{line}"]
