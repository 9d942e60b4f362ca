"""Places of other machines, as people name them on the command line."""

from __future__ import annotations

import os
from collections.abc import Callable

from dirsync.cli.parsing import DEFAULT_CONFIG, usage_error
from dirsync.config import load
from dirsync.config.endpoints import FarName, is_url, place_of
from dirsync.model.names import escaped
from dirsync.model.place import FarPlace


def far_place(name: str, *, config: Callable[[], str]) -> FarPlace:
    """Give the place that a URL or `endpoint:/path` names; `config` gives the file with the endpoints.

    A URL needs no file: without one its token is that of the variable `DIRSYNC_TOKEN`.

    Raises:
        ConfigError: it names none, or the file is wrong.
    """
    known = {}
    if not is_url(name) or os.path.lexists(DEFAULT_CONFIG) or "DIRSYNC_TOKEN" not in os.environ:
        known = {endpoint.name: endpoint for endpoint in load(config()).endpoints}
    try:
        return place_of(FarName(name), known)
    except ValueError as error:
        raise usage_error(f"'{escaped(name)}': {error}") from error
