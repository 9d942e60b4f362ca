"""Steps of a plan as JSON: they come back as they were, and nothing else comes in."""

from __future__ import annotations

import json
import stat

import pytest

from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.entry import Entry
from dirsync.model.operation import Operation, Phase
from dirsync.plan.records import read_failure, read_operation, written_failure, written_operation
from tests.results import created, deleted, file_entry, modified

LINK = Entry(b"l\xff\n", stat.S_IFLNK | 0o777, 3, -(2**40), 2**62, 1, 2, 2**64 - 1, 4, 1, b"\xfe/..")


@pytest.mark.parametrize(
    "operation",
    [
        Operation(Phase.COPY, created(LINK)),
        Operation(Phase.DELETE, deleted(LINK)),
        Operation(Phase.COPY, modified(file_entry(), file_entry(size=2), Aspect.SIZE, Aspect.MTIME)),
        Operation(
            Phase.FINISH_DIRECTORIES, Change(ChangeKind.METADATA, None, file_entry(b"")), counted=False
        ),
        Operation(Phase.COPY, Change(ChangeKind.MOVED, file_entry(b"a"), file_entry(b"b/c"), selected=False)),
    ],
)
def test_step_comes_back_as_it_was(operation: Operation) -> None:
    assert read_operation(json.loads(json.dumps(written_operation(operation)))) == operation


def test_failure_comes_back_as_it_was() -> None:
    failure = Failure(b"\xff/a", "could not be seen: \udcff")

    assert read_failure(json.loads(json.dumps(written_failure(failure)))) == failure


@pytest.mark.parametrize(
    "path", [b"..", b"../x", b"a/../../x", b"a/./b", b"/etc", b"a//b", b"a\0b", b".dirsync/x"]
)
def test_step_that_leads_out_of_the_tree_is_refused(path: bytes) -> None:
    record = written_operation(Operation(Phase.DELETE, deleted(file_entry(path))))

    with pytest.raises(ValueError, match="leads out of the tree"):
        read_operation(record)


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        ["COPY", None, True],
        ["NOWHERE", *list(written_operation(Operation(Phase.COPY, created(LINK))))[1:]],  # type: ignore[call-overload]
        ["COPY", ["created", None, None, [], True], True],
        ["DELETE", ["DELETED", None, None, [], True], True],
        ["COPY", ["MODIFIED", None, None, [], True], True],
    ],
)
def test_what_is_no_step_is_refused(record: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_operation(record)


def test_step_of_two_paths_is_refused_unless_it_moves() -> None:
    record = written_operation(Operation(Phase.COPY, modified(file_entry(b"a"), file_entry(b"b"))))

    with pytest.raises(ValueError, match="two paths"):
        read_operation(record)
