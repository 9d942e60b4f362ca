"""Which lister serves: the native one where it is built, else the reference.

The environment variable `DIRSYNC_LISTER` (`python` or `native`) decides otherwise, for
tests and benchmarks. The choice is made once, when this module is loaded.
"""

from __future__ import annotations

import enum
import os

from dirsync.errors import ConfigError
from dirsync.model.glimpse import Glimpse
from dirsync.model.listing import Listing
from dirsync.scan import lister as reference

try:
    from dirsync.scan.native import _lister as native
except ImportError:  # no compiler, another system, or built for another one
    IS_BUILT = False
else:
    IS_BUILT = True

_VARIABLE = "DIRSYNC_LISTER"


class Lister(enum.Enum):
    """The listers there are; their Listings are equal."""

    PYTHON = "python"
    NATIVE = "native"


def choose(wish: str | None, *, is_built: bool = IS_BUILT) -> Lister:
    """Choose by what the environment asks for; None or nothing: the native one, where it is built.

    Raises:
        ConfigError: it asks for what there is not.
    """
    if not wish:
        return Lister.NATIVE if is_built else Lister.PYTHON
    if wish not in (lister.value for lister in Lister):
        raise ConfigError((f"{_VARIABLE}: '{wish}' is no lister; say python or native",))
    if wish == Lister.NATIVE.value and not is_built:
        raise ConfigError(
            (f"{_VARIABLE}: the native lister is not built; pip install -r requirements.txt builds it",)
        )
    return Lister(wish)


def list_natively(fd: int) -> Listing:
    """List the directory behind a handle; the reference takes over where a name cannot be seen.

    Raises: as the reference does.
    """
    columns = native.list_directory(fd)
    return reference.list_directory(fd) if columns is None else Listing(*columns)


def glance_natively(
    fd: int,
    names: tuple[bytes, ...],
    *,
    salts: tuple[bytes, ...],
    expected: tuple[bytes | None, ...],
    most_rows: int,
) -> list[Glimpse | None]:
    """Do as the reference does."""
    fields_of_each = native.glance(fd, names, salts, expected, most_rows)
    return [None if fields is None else Glimpse(*fields) for fields in fields_of_each]


LISTER = choose(os.environ.get(_VARIABLE))
if LISTER is Lister.NATIVE:
    list_directory, glance = list_natively, glance_natively
else:
    list_directory, glance = reference.list_directory, reference.glance


def in_words() -> str:
    """Say which lister is used, and why where it is the slower one."""
    if LISTER is Lister.NATIVE:
        return "directories are listed by the native lister"
    why = f"{_VARIABLE} asks for it" if IS_BUILT else "the native one is not built"
    return f"directories are listed by the Python lister ({why})"
