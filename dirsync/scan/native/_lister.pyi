# names, mode, size, mtime_ns, ctime_ns, uid, gid, ino, dev, nlink, targets; None: ask the reference
_Columns = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
# entries, directories, inodes, devices; None: look again
_Glimpse = tuple[int, bytes, bytes, bytes]

def list_directory(fd: int, /) -> _Columns | None: ...
def glance(
    fd: int,
    names: tuple[bytes, ...],
    salts: tuple[bytes, ...],
    expected: tuple[bytes | None, ...],
    most_rows: int,
    /,
) -> list[_Glimpse | None]: ...
