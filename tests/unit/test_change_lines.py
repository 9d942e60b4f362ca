"""One change as one line for people."""

from __future__ import annotations

import stat

import pytest

from dirsync.cli.output.reasons import change_line
from dirsync.model.change import Aspect, Change, ChangeKind, Leader
from dirsync.model.job import JobType
from tests.results import created, deleted, file_entry, metadata, modified

DIRECTORY = stat.S_IFDIR | 0o755
LINK = stat.S_IFLNK | 0o777


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (created(file_entry(b"photos/a.jpg", size=3_400_000)), "create    photos/a.jpg  (3.4 MB)"),
        (created(file_entry(b"new", mode=DIRECTORY)), "create    new/"),
        (created(file_entry(b"l", mode=LINK, target=b"a\nb")), "create    l  (→ a\\nb)"),
        (deleted(file_entry(b"d/e", size=5)), "delete    d/e"),
        (deleted(file_entry(b"d", mode=DIRECTORY)), "delete    d/"),
        (
            modified(
                file_entry(b"b.txt", size=10),
                file_entry(b"b.txt", size=12, mtime_ns=3 * 10**9),
                Aspect.MTIME,
                Aspect.SIZE,
            ),
            "update    b.txt  (size 10→12, mtime +3 s)",
        ),
        (
            modified(file_entry(size=3_400_000), file_entry(size=5_100_000), Aspect.SIZE),
            "update    a  (size 3.4 MB→5.1 MB)",
        ),
        (
            modified(file_entry(size=3_400_000), file_entry(size=3_400_001), Aspect.SIZE),
            "update    a  (size 3400000→3400001)",
        ),
        (modified(file_entry(), file_entry(), Aspect.HASH), "update    a  (content)"),
        (
            metadata(file_entry(), file_entry(mode=stat.S_IFREG | 0o4600), Aspect.MODE),
            "metadata  a  (mode 644→4600)",
        ),
        (
            metadata(file_entry(), file_entry(uid=1000, gid=100), Aspect.OWNERSHIP),
            "metadata  a  (owner 0:0→1000:100)",
        ),
        (
            modified(file_entry(mode=LINK, target=b"x"), file_entry(mode=LINK, target=b"y"), Aspect.TARGET),
            "update    a  (target x→y)",
        ),
        (
            modified(file_entry(size=9), file_entry(mode=DIRECTORY), Aspect.KIND, Aspect.SIZE),
            "replace   a/  (file → directory)",
        ),
        (
            Change(ChangeKind.MOVED, file_entry(b"old"), file_entry(b"new")),
            "move      old → new",
        ),
        (created(file_entry(b"", mode=DIRECTORY)), "create    ./"),
        (created(file_entry(b"b"))._replace(leader=Leader(b"a", None)), "create    b  (= a)"),
        (metadata(file_entry(), file_entry(), Aspect.XATTRS), "metadata  a  (xattrs)"),
        (metadata(file_entry(), file_entry(), Aspect.LINKS), "metadata  a  (links)"),
    ],
)
def test_line_says_what_happens_to_which_path_and_why(change: Change, line: str) -> None:
    assert change_line(change, job_type=JobType.SYNC) == line


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (created(file_entry(size=5)), "missing   a  (5 B)"),
        (deleted(file_entry()), "extra     a"),
        (modified(file_entry(size=1), file_entry(size=2), Aspect.SIZE), "differs   a  (size 1→2)"),
        (metadata(file_entry(), file_entry(uid=1), Aspect.OWNERSHIP), "differs   a  (owner 0:0→1:0)"),
        (modified(file_entry(), file_entry(mode=DIRECTORY), Aspect.KIND), "differs   a/  (file → directory)"),
    ],
)
def test_check_job_says_how_the_two_differ_not_what_it_does(change: Change, line: str) -> None:
    assert change_line(change, job_type=JobType.CHECK) == line


def test_names_that_could_forge_a_line_are_escaped() -> None:
    line = change_line(created(file_entry(b"a\ndelete  b\x1b[2J\xff")), job_type=JobType.SYNC)

    assert line == "create    a\\ndelete  b\\x1b[2J\\xff  (0 B)"
