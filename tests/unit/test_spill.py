"""A list that spills to disk reads like one that does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dirsync.plan.spill import SpillList


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 23])
def test_it_reads_in_both_directions_as_a_list_does(tmp_path: Path, count: int) -> None:
    spilled = SpillList[int](folder=str(tmp_path), batch=4)
    for number in range(count):
        spilled.append(number)

    assert len(spilled) == count
    assert list(spilled) == list(range(count))
    assert list(reversed(spilled)) == list(range(count))[::-1]
    spilled.close()


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 23])
def test_what_is_added_at_once_is_as_what_is_added_one_by_one(tmp_path: Path, count: int) -> None:
    spilled = SpillList[int](folder=str(tmp_path), batch=4)
    spilled.append(-1)
    spilled.extend(iter(range(count)))

    assert list(spilled) == [-1, *range(count)]
    assert list(reversed(spilled)) == [*reversed(range(count)), -1]
    spilled.close()


def test_two_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    spilled = SpillList[int](folder=str(tmp_path), batch=2)
    for number in range(9):
        spilled.append(number)

    assert list(zip(spilled, reversed(spilled), strict=True)) == [(n, 8 - n) for n in range(9)]
    spilled.close()


def test_its_file_has_no_name(tmp_path: Path) -> None:
    spilled = SpillList[bytes](folder=str(tmp_path), batch=1)
    spilled.append(b"x" * 1000)

    assert os.listdir(tmp_path) == []
    spilled.close()
