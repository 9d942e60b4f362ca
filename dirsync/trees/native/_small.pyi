# gives_owner, same_group, sets_mtime, attributes, sparse, bits, most_bytes, places, names
_Making = tuple[bool, bool, bool, bool, bool, int, int, bool, bool]
_Told = tuple[bytes, int, list[tuple[int, int]], list[tuple[int, int] | None]]

def copy(
    making: _Making, source: int, destination: int, names: bytes, random: bytes, expected: bytes, /
) -> _Told: ...
def write(
    making: _Making,
    destination: int,
    names: bytes,
    rows: bytes,
    data: bytes,
    start: int,
    random: bytes,
    expected: bytes,
    /,
) -> _Told: ...
def place(destination: int, temporaries: bytes, names: bytes, count: int, /) -> bytes: ...
def link(
    source: int,
    leading: int,
    destination: int,
    names: bytes,
    leaders: bytes,
    models: bytes,
    random: bytes,
    /,
) -> bytes: ...
def alter(
    altering: tuple[bool, bool, bool],
    source: int,
    destination: int,
    names: bytes,
    expected: bytes,
    wanted: bytes,
    /,
) -> bytes: ...
def read(
    fd: int, names: bytes, count: int, most_bytes: int, attributes: bool, room: int, /
) -> tuple[bytes, bytes, bytes]: ...
