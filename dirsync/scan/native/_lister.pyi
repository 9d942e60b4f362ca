# names, mode, size, mtime_ns, ctime_ns, uid, gid, ino, dev, nlink, targets; None: ask the reference
_Columns = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]

def list_directory(fd: int, /) -> _Columns | None: ...
