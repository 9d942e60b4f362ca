"""Which lister serves: the native one where it is built, else the reference.

The environment variable `DIRSYNC_LISTER` (`python` or `native`) decides otherwise, for
tests and benchmarks. The choice is made once, when this module is loaded.
"""

from __future__ import annotations

import enum
import os

from dirsync.errors import ConfigError
from dirsync.model.listing import Listing
from dirsync.scan import lister as reference
from dirsync.scan.glance import Asked, Glance, Place
from dirsync.scan.glance import glance as reference_glance
from dirsync.trees.handles import join

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


def glance_natively(fd: int, path: bytes, directories: tuple[Place, ...], asked: Asked) -> Glance:
    """Do as the reference does.

    Raises: what it raises, and:
        MemoryError: what was found cannot be told.
    """
    entries, differing, left = native.glance(
        fd,
        join(path, b""),
        directories,
        asked.salt,
        asked.digests.packed,
        asked.device,
        asked.levels,
        asked.most_rows,
    )
    return Glance(entries, [Place(*each) for each in differing], [Place(*each) for each in left])


def prepare_thread() -> None:
    """Let listings go faster in the calling thread, which is to do nothing else, now or later."""
    if LISTER is Lister.NATIVE:
        native.own_working_directory()


LISTER = choose(os.environ.get(_VARIABLE))
if LISTER is Lister.NATIVE:
    list_directory, glance = list_natively, glance_natively
else:
    list_directory, glance = reference.list_directory, reference_glance


def in_words() -> str:
    """Say which lister is used, and why where it is the slower one."""
    if LISTER is Lister.NATIVE:
        return "directories are listed by the native lister"
    why = f"{_VARIABLE} asks for it" if IS_BUILT else "the native one is not built"
    return f"directories are listed by the Python lister ({why})"
