"""Small files in C without Python, under the address and the undefined-behaviour sanitizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native_tests import check_native

_FAILING = ["malloc", "calloc", "realloc", "openat", "close", "fstat", "pread", "write", "fchown", "fchmod"]
_FAILING += [
    "futimens",
    "flistxattr",
    "llistxattr",
    "clock_gettime",
    "syscall",
    "fstatat",
    "linkat",
    "renameat",
]


@pytest.mark.parametrize("place", [None, "/dev/shm"], ids=["disk", "tmpfs"])
def test_no_path_through_it_reads_writes_or_leaves_what_it_should_not(
    place: str | None, tmp_path: Path
) -> None:
    check_native("small_test", place=Path(place or tmp_path), wrapped=_FAILING)
