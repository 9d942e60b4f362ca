"""The digests of a job's directories, kept beside the ledger: most runs find no other state on record.

The file is a copy. It is used only where its seal says that it was made of the very state
that the catalog is in, with the key that seals the catalog; else it is made anew.
"""

from __future__ import annotations

import contextlib
import logging

from dirsync.catalog.catalog import Catalog
from dirsync.catalog.seal import SEAL_BYTES
from dirsync.march.digests import Digests, packed_digests
from dirsync.model.recorded import CatalogJob

logger = logging.getLogger(__name__)


def digests_on_record(catalog: Catalog, known: CatalogJob, *, file: str, keeps: bool) -> Digests:
    """Give the digests that a catalog holds; `keeps`: have them in the file for the next run."""
    identity = catalog.identity()
    with contextlib.suppress(OSError), open(file, "rb") as kept:
        seal, packed = kept.read(SEAL_BYTES), kept.read()
        if seal == catalog.sealer.digests(identity, known, packed):
            return Digests(packed)
    packed = packed_digests(catalog.digests(known.job_id))
    if keeps:
        _keep(file, catalog.sealer.digests(identity, known, packed), packed)
    return Digests(packed)


def _keep(file: str, seal: bytes, packed: bytes) -> None:
    """Write the file; one that is cut off has another seal."""
    try:
        with open(file, "wb") as kept:
            kept.write(seal)
            kept.write(packed)
    except OSError as error:
        logger.warning("digests are not kept for the next run: %s", error)
