"""What a valid jobs.yaml comes to."""

from __future__ import annotations

from msgspec import Struct, field

from dirsync.config.endpoints import Endpoint
from dirsync.config.mask import Mask
from dirsync.model.job import Digest, Job
from dirsync.model.notifier import Notifier
from dirsync.model.place import CatalogPlace
from dirsync.model.serving import Serving


class SecretReference(Struct, frozen=True, kw_only=True):
    """Where a secret is kept; never the secret itself."""

    name: str
    environment: str | None = None  # a variable's name; None: it is in a file
    file: str | None = None  # absolute path; None: it is in the environment


class Configuration(Struct, frozen=True, kw_only=True):
    """One jobs.yaml with all it includes, checked, with nothing left to look up."""

    file: str  # as the user named it
    files: tuple[str, ...]  # absolute: whose change means another look; directories of wildcards too
    state: str  # absolute directory
    jobs: tuple[Job, ...]  # in the order of the file, then of the files it includes
    mask: Mask = field(default_factory=Mask)
    secrets: tuple[SecretReference, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    serving: Serving | None = None  # None: this machine serves nothing
    catalog: CatalogPlace | None = None  # None only where the file is wrong
    catalog_secret: str | None = None  # the secret that holds its URL; None: the file says it
    notifiers: dict[str, Notifier] = {}  # by name
    report: Digest | None = None  # on all jobs
