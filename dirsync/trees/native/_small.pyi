# gives_owner, same_group, sets_mtime, attributes, sparse, bits, most_bytes, places
_Making = tuple[bool, bool, bool, bool, bool, int, int, bool]
_Told = tuple[bytes, int, list[tuple[int, int]]]
_Status = tuple[int, int, int, int, int, int, int, int, int, int]

def copy(making: _Making, source: int, destination: int, names: bytes, random: bytes, /) -> _Told: ...
def write(
    making: _Making,
    destination: int,
    files: tuple[tuple[bytes, bytes, int, int, int, int], ...],
    random: bytes,
    /,
) -> _Told: ...
def place(destination: int, temporaries: bytes, names: bytes, count: int, /) -> bytes: ...
def read(
    fd: int, names: bytes, count: int, most_bytes: int, attributes: bool, room: int, /
) -> list[tuple[bytes, _Status] | None]: ...
