"""A file that is changed elsewhere is seen as it is, by both listers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dirsync.model.listing import Listing
from dirsync.scan.chosen import list_natively
from dirsync.scan.lister import list_directory
from tests.far_disk import LEASE_SECONDS, far_disk


@pytest.mark.parametrize("lists", [list_directory, list_natively], ids=["python", "native"])
def test_what_the_kernel_was_told_is_not_believed_for_ever(
    lists: Callable[[int], Listing], tmp_path: Path
) -> None:
    """With AT_STATX_DONT_SYNC the old size would be seen as long as the kernel remembers it."""
    root, truth = tmp_path / "root", tmp_path / "truth"
    root.mkdir()
    truth.write_bytes(b"x" * 100)
    with far_disk(root, truth):
        fd = os.open(root, os.O_RDONLY)
        try:
            before = lists(fd)
            truth.write_bytes(b"x" * 200)
            time.sleep(LEASE_SECONDS * 1.5)
            after = lists(fd)
        finally:
            os.close(fd)

    assert [entry.size for listing in (before, after) for entry in listing.entries(b"")] == [100, 200]
