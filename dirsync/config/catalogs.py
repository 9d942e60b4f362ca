"""Where the catalog is, as the file says or does not say."""

from __future__ import annotations

import os

from dirsync.config.keys import CatalogKeys
from dirsync.config.nodes import Entry, MappingNode, ScalarNode, locate
from dirsync.config.problems import Problems, quoted
from dirsync.config.secret_values import secret_value
from dirsync.model.place import CatalogPlace

SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")
_FILE, _KEY_FILE = "catalog.db", "catalog.key"


def address_at_length(address: ScalarNode) -> MappingNode:
    """Write `catalog: URL` as `catalog: {url: URL}`."""
    key = ScalarNode("url", address.origin)
    return MappingNode({"url": Entry(key, address)}, address.origin, implied=True)


def catalog_place(
    keys: CatalogKeys | None, main: MappingNode, *, state: str, problems: Problems
) -> CatalogPlace | None:
    """Say where the catalog is; None: what the file says is wrong, and noted."""
    key_file = keys.key if keys is not None and keys.key is not None else os.path.join(state, _KEY_FILE)
    if keys is None or (keys.url is None and keys.secret is None and keys.key is not None):
        return CatalogPlace(url=SQLITE + os.path.join(state, _FILE), key_file=key_file)
    spot = locate(main, ("catalog",), path="", origin=main.origin)
    try:
        url = _url(keys, base=spot.origin.file.directory, secrets=problems.secrets)
    except ValueError as error:
        problems.add(spot.origin, spot.path, str(error))
        return None
    return CatalogPlace(url=url, key_file=key_file)


def _url(keys: CatalogKeys, *, base: str, secrets: dict[str, str]) -> str:
    if (keys.url is None) == (keys.secret is None):
        raise ValueError("is in one place; write either a URL or 'secret: NAME'")
    url = keys.url
    if url is None:
        assert keys.secret is not None
        url = secret_value(keys.secret, secrets, what="the URL")
    if url.startswith(_POSTGRES):
        return url
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        return SQLITE + os.path.normpath(os.path.join(base, os.path.expanduser(url.removeprefix(SQLITE))))
    shown = "what the secret holds" if keys.url is None else quoted(url)
    raise ValueError(f"{shown} is no catalog; write 'sqlite:///path/catalog.db' or 'postgresql://…'")


def passwords_in(place: CatalogPlace | None) -> list[str]:
    """List what of an address must never be shown."""
    if place is None or place.url.startswith(SQLITE):
        return []
    from urllib.parse import unquote, urlsplit  # loads much, and most catalogs are files

    try:
        password = urlsplit(place.url).password
    except ValueError:
        return [place.url]
    return [] if not password else [password, unquote(password)]
