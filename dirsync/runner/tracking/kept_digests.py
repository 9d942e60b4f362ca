"""The digests of a job's directories, kept beside the ledger: most runs find no other state on record.

The file is a copy, sealed as the rows of the catalog are. It says of which state of which catalog it
is a copy; it counts only where the catalog is in that state, and else is made anew.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dirsync.catalog.seal import SEAL_BYTES, Sealer
from dirsync.model.recorded import CatalogJob
from dirsync.runner.state import file_name_of
from dirsync.scan.digests import Digests, packed_digests

if TYPE_CHECKING:
    from dirsync.catalog.catalog import Catalog  # what is kept is read while it is being loaded

logger = logging.getLogger(__name__)

_LONGEST_STATE = 1024  # bytes
_FORMAT = 2  # of the file: another one counts as no file


class KeptDigests(NamedTuple):
    """What a file holds."""

    state: bytes  # what it is a copy of, as `state_of` names it
    digests: Digests


def digests_file(state: str, job: str) -> str:
    """Name the file for the digests of a job in a state directory."""
    return os.path.join(state, f"{file_name_of(job)}.digests")


def state_of(catalog: Catalog, known: CatalogJob) -> bytes:
    """Name the state that the directories of a job are in on record."""
    return f"{_FORMAT} {catalog.identity()} {known.job_id} {known.seal:x} {known.scope.hex()}\n".encode()


def is_of_scope(kept: KeptDigests, scope: bytes) -> bool:
    """Whether they were recorded with a declaration that selects and counts the same."""
    return kept.state.split()[-1] == scope.hex().encode()


def kept_digests(file: str, sealer: Sealer) -> KeptDigests | None:
    """Read a file; None: there is none, or not the whole that was written with this key."""
    try:
        with open(file, "rb") as kept:
            seal = kept.read(SEAL_BYTES)
            state, packed = kept.readline(_LONGEST_STATE), kept.read()
    except OSError:
        return None
    if seal != sealer.digests(state, packed):
        return None
    return KeptDigests(state, Digests(packed))


def digests_on_record(
    catalog: Catalog, known: CatalogJob, *, kept: KeptDigests | None, file: str | None
) -> Digests:
    """Give the digests that a catalog holds: those that were kept, if they are; else keep them in a file."""
    state = state_of(catalog, known)
    if kept is not None and kept.state == state:
        return kept.digests
    packed = packed_digests(catalog.digests(known.job_id))
    if file is not None:
        _keep(file, catalog.sealer, state, packed)
    return Digests(packed)


def keep_altered(
    file: str,
    catalog: Catalog,
    now: CatalogJob,
    *,
    before: Digests | None,
    altered: Mapping[bytes, bytes | None],
) -> None:
    """Keep the digests that a run left on record.

    They are those `before` it (None: it was the job's first), but for some paths (None: nothing there).
    """
    packed = packed_digests(altered.items()) if before is None else before.altered(altered)
    if packed is not None:
        _keep(file, catalog.sealer, state_of(catalog, now), packed)


def _keep(file: str, sealer: Sealer, state: bytes, packed: bytes) -> None:
    """Write the file; one that is cut off has another seal."""
    try:
        with open(file, "wb") as kept:
            kept.writelines((sealer.digests(state, packed), state, packed))
    except OSError as error:
        logger.warning("digests are not kept for the next run: %s", error)
