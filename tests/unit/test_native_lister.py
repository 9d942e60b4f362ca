"""The native lister: the same Listing as the reference's, or the same error."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dirsync.model.listing import Listing
from dirsync.scan.chosen import list_natively
from dirsync.scan.lister import list_directory
from dirsync.scan.native import _lister
from tests.program import CHECKOUT
from tests.trees import Fifo, File, HardLink, Link, Node, tree

EVERYTHING: dict[str | bytes, Node] = {
    "dir": {},
    "empty": b"",
    "pipe": Fifo(),
    "file": File(b"12345", mode=0o6755, mtime_ns=-1, uid=1000, gid=4_294_967_294),
    "same": HardLink("file"),
    "hole": File(size=1 << 40),
    b"\xff\xfe": b"",
    "caf\u00e9": b"",
    "\U0001f600": b"",
    "new\nline": b"",
    "n" * 255: b"",
    "long link": Link("t" * 4095),
    "link": Link(b"\xff"),
    "...": {},
}
QUIET: dict[str, Node] = {
    f"quiet-{number}": Link(f"{number}") if number % 2 else b"x" for number in range(60)
}
PLACES = ["/tmp", "/dev/shm"]  # a disk's file system as a rule, and a tmpfs


@contextlib.contextmanager
def folder_on(place: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="native-lister-", dir=place) as folder:
        yield Path(folder)


@contextlib.contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def native_alone(fd: int) -> Listing | None:
    """List without the reference to fall back to."""
    columns = _lister.list_directory(fd)
    return None if columns is None else Listing(*columns)


@pytest.mark.parametrize("place", PLACES)
def test_every_kind_of_object_is_listed_alike(place: str) -> None:
    with contextlib.ExitStack() as until_the_end:
        root = tree(until_the_end.enter_context(folder_on(place)), EVERYTHING)
        os.mknod(root / "device", 0o660 | 0o020000, os.makedev(4095, 1_048_575))
        bound = until_the_end.enter_context(socket.socket(socket.AF_UNIX))
        bound.bind(f"{root}/socket")
        fd = until_the_end.enter_context(opened(root))

        wanted = list_directory(fd)
        assert native_alone(fd) == wanted
        assert wanted.entry_count == len(EVERYTHING) + 2


@pytest.mark.parametrize("path", ["/proc/self/ns", "/proc/sys/kernel", "/sys/class/net", "/dev", "/usr/bin"])
def test_directories_of_the_system_are_listed_alike(path: str) -> None:
    with opened(Path(path)) as fd:
        assert native_alone(fd) == list_directory(fd)


def test_empty_directory_and_one_that_was_removed_list_as_the_empty_listing(tmp_path: Path) -> None:
    with opened(tree(tmp_path / "d", {})) as fd:
        assert native_alone(fd) == list_directory(fd) == Listing()
        (tmp_path / "d").rmdir()
        assert native_alone(fd) == list_directory(fd) == Listing()


def test_a_hundred_thousand_entries_are_listed_alike() -> None:
    with folder_on("/dev/shm") as folder, opened(folder) as fd:
        for number in range(100_000):
            os.mknod(f"{number * 7919 % 100_000:x}", dir_fd=fd)

        wanted = list_directory(fd)
        assert native_alone(fd) == wanted
        assert wanted.entry_count == 100_000
        assert native_alone(fd) == wanted  # the handle is at its beginning again


def test_what_cannot_be_listed_raises_the_same_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with opened(tmp_path / "file") as file, opened(tmp_path, os.O_PATH) as path:
        with opened(tmp_path) as closed:
            pass
        for fd, number in ((closed, errno.EBADF), (file, errno.ENOTDIR), (path, errno.EBADF)):
            wanted, raised = error_of(list_directory, fd), error_of(list_natively, fd)

            assert wanted.errno == raised.errno == number
            assert type(wanted) is type(raised)
            assert wanted.strerror == raised.strerror


def error_of(lists: Callable[[int], Listing], fd: int) -> OSError:
    with pytest.raises(OSError, match=r"Bad file descriptor|Not a directory") as caught:
        lists(fd)
    return caught.value


def test_what_is_no_handle_is_refused() -> None:
    for value, error in ((-1, ValueError), ("x", TypeError), (1 << 40, OverflowError)):
        with pytest.raises(error):
            _lister.list_directory(value)  # type: ignore[arg-type]


def test_names_that_may_not_be_looked_at_are_unknown_for_the_same_reason(tmp_path: Path) -> None:
    """Whoever may read a directory and not search it sees its names alone."""
    tree(tmp_path / "d", {"a": b"", "b": Link("x"), "c": {}})
    (tmp_path / "d").chmod(0o444)
    with opened(tmp_path / "d") as fd, as_nobody():
        wanted, alone, seen = list_directory(fd), native_alone(fd), list_natively(fd)

    assert alone is None
    assert seen == wanted
    assert [(name, reason) for name, reason in wanted.unknown] == [
        (name, "could not be seen: Permission denied") for name in (b"a", b"b", b"c")
    ]


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Do without root's rights for a moment."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("place", PLACES)
def test_names_that_come_and_go_do_not_disturb_the_others(place: str) -> None:
    """Whatever one thread renames and replaces, each other row is there, once, and as it is."""
    over = threading.Event()
    with contextlib.ExitStack() as until_the_end:
        root = tree(until_the_end.enter_context(folder_on(place)), QUIET | {"busy": b""})
        busy = threading.Thread(target=_keep_busy, args=(root, over))
        fd = until_the_end.enter_context(opened(root))
        until_the_end.callback(busy.join)
        until_the_end.callback(over.set)
        busy.start()
        listings = [list_natively(fd) for _ in range(1500)]

    wanted = sorted(name.encode() for name in QUIET)
    for listing in listings:
        entries = {entry.path: entry for entry in listing.entries(b"")}
        unknown = {name for name, _ in listing.unknown}
        quiet = [name for name in sorted(entries.keys() | unknown) if name.startswith(b"quiet")]
        assert quiet == wanted
        links = {name: entry.target for name, entry in entries.items() if name in quiet and entry.target}
        assert links == {name: name.removeprefix(b"quiet-") for name in links}


def _keep_busy(root: Path, over: threading.Event) -> None:
    one, other = root / "busy", root / "busy too"
    while not over.is_set():
        one.rename(other)
        other.rename(one)
        one.unlink()
        one.symlink_to("4")
        one.rename(other)
        other.unlink()
        one.write_bytes(b"")


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_where_statx_does_not_work_fstatat_serves(error: str, tmp_path: Path) -> None:
    """An old kernel does not have statx, and some sandboxes refuse it."""
    tree(tmp_path, EVERYTHING)
    program = (
        "import os, sys; from tests.unit.test_native_lister import list_directory, native_alone;"
        "fd = os.open(sys.argv[1], os.O_RDONLY);"
        "print(native_alone(fd) == list_directory(fd), list_directory(fd).entry_count)"
    )
    log = tmp_path.with_suffix(".strace")
    through = ["strace", "-f", "-o", str(log), "-e", "trace=statx", "-e", f"inject=statx:error={error}"]
    ended = subprocess.run(
        [*through, sys.executable, "-c", program, str(tmp_path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.stdout == f"True {len(EVERYTHING)}\n", ended.stderr
    assert log.read_text().count("(INJECTED)") >= len(EVERYTHING)


def test_other_threads_run_while_a_directory_is_listed(tmp_path: Path) -> None:
    """Four threads over one large directory, each with a handle of its own, see the same."""
    tree(tmp_path, dict.fromkeys(map(str, range(2000)), b""))
    seen: list[Listing | None] = []

    def look() -> None:
        with opened(tmp_path) as fd:
            seen.extend(native_alone(fd) for _ in range(20))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 80
    assert len(set(seen)) == 1
