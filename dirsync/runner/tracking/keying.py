"""`catalog key`: making the key that seals a catalog's rows, and sealing with it what is there.

The key is written first: cut off after that, no run records until the command was given again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

from dirsync.catalog.audit import Audited
from dirsync.catalog.catalog import Catalog
from dirsync.catalog.opening import open_catalog
from dirsync.catalog.resealing import reseal
from dirsync.catalog.seal import KEY_BYTES, Sealer, sealer_with
from dirsync.errors import RunError
from dirsync.model.names import escaped
from dirsync.model.place import CatalogPlace
from dirsync.model.recorded import CatalogJob
from dirsync.runner.ledger import open_ledger
from dirsync.runner.lock import locked_job
from dirsync.runner.state import flush_directory
from dirsync.runner.tracking.auditing import Outside, check_exists, flaws_in
from dirsync.runner.tracking.catalogs import other_key
from dirsync.runner.tracking.ends import ending

Said = Callable[[str], None]


def seal_with_key(place: CatalogPlace, jobs: Sequence[str], *, state: str, said: Said) -> None:
    """Make the key where there is none, and seal the rows of jobs with it that are sealed without.

    `jobs` are the names of those that may be in the catalog; those that are, and what the
    ledger knows of them, are audited before anything is written.

    Raises:
        Busy: a run of one goes on.
        RunError: the key cannot be made, or a job is not sound.
    """
    old, new = sealer_with(place.key_file), Sealer(os.urandom(KEY_BYTES))
    is_new = old.key is None
    if not is_new:
        new = old
    with open_ledger(state) as ledger, contextlib.ExitStack() as locks:
        outside = Outside.of(ledger)
        for name in sorted({*jobs, *outside.catalogs}):
            locks.enter_context(locked_job(state, name))
        if outside.catalogs:
            check_exists(place, outside)
            with open_catalog(place, may_create=False) as opened:
                catalog = Catalog(opened.store, Sealer())
                unsealed = list(_without_key(catalog, place, outside, new))
                for known in unsealed:
                    _check_sound(catalog, known, outside, place)
                _make(place, new, is_new=is_new, said=said)
                for known in unsealed:
                    reseal(catalog, known, new, ending=ending(ledger, known.name, before=known))
                    said(f"{known.name}: all that is recorded is sealed with the key {new.key_name} now")
        else:  # nothing of this state directory is sealed yet
            _make(place, new, is_new=is_new, said=said)


def _without_key(
    catalog: Catalog, place: CatalogPlace, outside: Outside, new: Sealer
) -> Iterator[CatalogJob]:
    """Give the jobs of this state that are sealed without a key.

    Raises:
        RunError: one is sealed with a key that is not there.
    """
    for known in catalog.jobs():
        if known.name not in outside.catalogs or known.key_name == new.key_name:
            continue
        if known.key_name:
            raise RunError(f"'{known.name}': in {catalog.shown} {other_key(known, catalog, place)}")
        yield known


def _check_sound(catalog: Catalog, known: CatalogJob, outside: Outside, place: CatalogPlace) -> None:
    flaws = flaws_in(
        catalog, outside, place=place, job=known.name, audited=Audited(), noticed=lambda notice: None
    )
    flaw = next(flaws, None)
    del flaws  # with its queries: the first flaw is enough
    if flaw is not None:
        raise RunError(
            f"'{known.name}': {catalog.shown} is not sound, so it is not sealed with a key: {flaw.text}; "
            f"'dirsync catalog verify {known.name}' tells all"
        )


def _make(place: CatalogPlace, sealer: Sealer, *, is_new: bool, said: Said) -> None:
    """Write a key to its file, for its owner alone, durably; say what key there is."""
    shown = escaped(place.key_file)
    if not is_new:
        said(f"the key {sealer.key_name} is in '{shown}' already")
        return
    assert sealer.key is not None
    try:
        descriptor = os.open(place.key_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask took away
            file.write(sealer.key.hex().encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        if not isinstance(error, FileExistsError):
            with contextlib.suppress(OSError):
                os.unlink(place.key_file)  # half a key is none
        raise RunError(f"key '{shown}' cannot be made: {error.strerror}") from error
    flush_directory(os.path.dirname(place.key_file))
    said(
        f"made the key {sealer.key_name} in '{shown}'; keep a copy elsewhere: without it nothing that is "
        "sealed with it can be verified, and no run records"
    )
