"""Which lister serves, and where it is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dirsync.errors import ConfigError
from dirsync.scan import chosen
from dirsync.scan.chosen import Lister, choose
from tests.program import CHECKOUT
from tests.trees import tree


def test_the_native_lister_is_built() -> None:
    assert chosen.IS_BUILT, "build it: pip install -r requirements.txt (a C compiler and Python.h are needed)"


@pytest.mark.parametrize(
    ("wish", "is_built", "lister"),
    [
        (None, True, Lister.NATIVE),
        ("", True, Lister.NATIVE),
        (None, False, Lister.PYTHON),
        ("python", True, Lister.PYTHON),
        ("python", False, Lister.PYTHON),
        ("native", True, Lister.NATIVE),
    ],
)
def test_the_native_lister_serves_where_it_is_built(wish: str | None, is_built: bool, lister: Lister) -> None:
    assert choose(wish, is_built=is_built) is lister


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("natvie", "DIRSYNC_LISTER: 'natvie' is no lister; say python or native"),
        (
            "native",
            "DIRSYNC_LISTER: the native lister is not built; pip install -r requirements.txt builds it",
        ),
    ],
)
def test_a_lister_that_there_is_not_is_refused(wish: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        choose(wish, is_built=False)

    assert error.value.problems == (message,)


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("", "directories are listed by the native lister"),
        ("native", "directories are listed by the native lister"),
        ("python", "directories are listed by the Python lister (DIRSYNC_LISTER asks for it)"),
    ],
)
def test_status_says_which_lister_is_used(variable: str, sentence: str, tmp_path: Path) -> None:
    ended = status(tmp_path, variable)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == sentence


def test_a_misspelled_lister_is_one_line(tmp_path: Path) -> None:
    ended = status(tmp_path, "c")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "DIRSYNC_LISTER: 'c' is no lister; say python or native\n"


def status(folder: Path, variable: str) -> subprocess.CompletedProcess[str]:
    tree(folder, {"s": {}, "d": {}})
    (folder / "jobs.yaml").write_text("{version: 1, jobs: {j: {source: s, destination: d}}}")
    return subprocess.run(
        [sys.executable, str(CHECKOUT / "run.py"), "status"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "DIRSYNC_LISTER": variable},
        timeout=60,
    )
