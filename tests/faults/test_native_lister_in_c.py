"""The native lister without Python, under the address and the undefined-behaviour sanitizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native_tests import check_native

_ALLOCATING = ["malloc", "calloc", "realloc"]


@pytest.mark.parametrize("options", [[], ["-DDIRSYNC_WITHOUT_STATX"]], ids=["statx", "fstatat"])
@pytest.mark.parametrize("place", [None, "/dev/shm"], ids=["disk", "tmpfs"])
@pytest.mark.parametrize("tested", ["lister_test", "stride_test"])
def test_no_path_through_it_reads_writes_or_keeps_what_it_should_not(
    tested: str, place: str | None, options: list[str], tmp_path: Path
) -> None:
    check_native(tested, place=Path(place or tmp_path), wrapped=_ALLOCATING, options=options)
