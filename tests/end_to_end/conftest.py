"""Places for whole programs to work in."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browsing import launched_browser
from tests.program import NOBODY


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory of the user nobody that anybody can enter; of any depth, and gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="place-"))
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o755)
    try:
        yield path
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that is running."""
    with launched_browser() as launched:
        yield launched
