"""A file system whose one file is changed elsewhere, as on a server, and this kernel is not told.

A FUSE file system in a process of its own: `file` has, whenever the kernel asks, the size
that another file has by then. The kernel may keep what it was told for `LEASE_SECONDS`.

Source: fuse(4), and include/uapi/linux/fuse.h for the layout of messages.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LEASE_SECONDS = 1
NAME = b"file"
_ROOT, _FILE = 1, 2  # inodes
_NAME_KEPT_SECONDS = 1000  # so that only attributes have to be asked for anew
_LOOKUP, _GETATTR, _INIT, _OPENDIR, _READDIR, _RELEASEDIR = 1, 3, 26, 27, 28, 29
_FORGET, _BATCH_FORGET = 2, 42  # these get no answer
_HEADER = struct.Struct("<IIQQIIII")
_LONGEST_REQUEST = 1 << 17


@contextlib.contextmanager
def far_disk(root: Path, truth: Path) -> Iterator[None]:
    """Mount it at `root`, an empty directory; its file is as long as `truth` is."""
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"far", os.fsencode(root), b"fuse", 0, options) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(root))
    try:
        command = [sys.executable, "-m", "tests.far_disk", str(device), str(truth)]
        with subprocess.Popen(command, pass_fds=[device], cwd=Path(__file__).parents[1]) as server:
            try:
                yield
            finally:
                server.kill()
    finally:
        os.close(device)
        subprocess.run(["umount", "-l", root], check=True)


def serve(device: int, truth: str) -> None:
    """Answer the kernel until the file system is unmounted."""
    while True:
        try:
            request = os.read(device, _LONGEST_REQUEST)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            raise
        _, code, number, inode, *_ = _HEADER.unpack_from(request)
        if code in (_FORGET, _BATCH_FORGET):
            continue
        answer = _answer(code, inode, request[_HEADER.size :], size=os.stat(truth).st_size)
        refused, data = (answer, b"") if isinstance(answer, int) else (0, answer)
        os.write(device, struct.pack("<IiQ", 16 + len(data), -refused, number) + data)


def _answer(code: int, inode: int, body: bytes, *, size: int) -> bytes | int:
    """Give the answer to one request, or its error."""
    attributes = _attributes(inode, size)
    if code == _LOOKUP:
        if body.rstrip(b"\0") != NAME:
            return errno.ENOENT
        kept = struct.pack("<4Q2I", _FILE, 0, _NAME_KEPT_SECONDS, LEASE_SECONDS, 0, 0)
        return kept + _attributes(_FILE, size)
    if code == _READDIR:
        (offset,) = struct.unpack_from("<8xQ", body)
        return b"" if offset else struct.pack("<2Q2I8s", _FILE, 1, len(NAME), 8, NAME)
    simple = {
        _INIT: struct.pack("<4I2H2I2H8I", 7, 31, 0, 0, 16, 16, 1 << 16, 1, 0, 0, *[0] * 8),
        _GETATTR: struct.pack("<QII", LEASE_SECONDS, 0, 0) + attributes,
        _OPENDIR: struct.pack("<QII", 1, 0, 0),
        _RELEASEDIR: b"",
    }
    return simple.get(code, errno.ENOSYS)


def _attributes(inode: int, size: int) -> bytes:
    mode, length = (0o40755, 0) if inode == _ROOT else (0o100644, size)
    return struct.pack("<6Q10I", inode, length, *[0] * 7, mode, 1, 0, 0, 0, 512, 0)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
