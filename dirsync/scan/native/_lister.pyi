# names, mode, size, mtime_ns, ctime_ns, uid, gid, ino, dev, nlink, targets; None: ask the reference
_Columns = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
_Place = tuple[bytes, int]

def list_directory(fd: int, /) -> _Columns | None: ...
def glance(
    fd: int,
    path: bytes,
    directories: tuple[_Place, ...],
    salt: bytes,
    packed: bytes,
    device: int | None,
    levels: int,
    most_rows: int,
    /,
) -> tuple[int, list[_Place], list[_Place]]: ...
def own_working_directory() -> bool: ...
def stride(
    source: int,
    destination: int,
    names: tuple[bytes, ...],
    columns: tuple[bool, bool, bool],
    hard_links: bool,
    telling: bytes,
    mark: bytes,
    device: int | None,
    levels: int,
    most_rows: int,
    /,
) -> tuple[int, int, list[tuple[bytes, int, int, int, _Columns | None, _Columns | None]], bytes]: ...
