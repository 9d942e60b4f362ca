"""The address of a dead-man service, of which nothing but scheme and host may ever be shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dirsync.config.keys import PingKeys
from dirsync.config.mask import MASKED
from dirsync.config.nodes import MappingNode, locate
from dirsync.config.problems import Problems
from dirsync.config.secret_values import secret_value
from dirsync.model.job import Ping

_FEWEST_CHARACTERS = 8  # of a path that is masked wherever it turns up; a shorter one may be any word


def ping_of(keys: PingKeys | None, node: MappingNode, problems: Problems, *, path: str) -> Ping | None:
    """Say what a job calls; None: nothing, or what the file says is wrong, and noted."""
    if keys is None:
        return None
    try:
        return Ping(url=_url(keys, problems.secrets), secret=keys.secret)
    except ValueError as error:
        spot = locate(node, ("ping_url",), path=path, origin=node.origin)
        problems.add(spot.origin, spot.path, str(error))
        return None


def _url(keys: PingKeys, secrets: Mapping[str, str]) -> str:
    if (keys.url is None) == (keys.secret is None):
        raise ValueError("is one address; write either a URL or '{secret: NAME}'")
    if keys.secret is None:
        assert keys.url is not None
        return _checked(keys.url, "is")
    return _checked(
        secret_value(keys.secret, secrets, what="the URL"), f"is in the secret '{keys.secret}', which holds"
    )


def _checked(url: str, subject: str) -> str:
    """Check a URL; a message does not repeat it, for it may hold a token."""
    from urllib.parse import urlsplit  # loads much, and few jobs ping

    wrong = f"{subject} no address that can be called; write 'https://host/path'"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(wrong)
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme not in ("http", "https") or not complete:
        raise ValueError(wrong)
    if "@" in parts.netloc:
        raise ValueError(f"{subject} a user or a password, which is not supported; put the token in the path")
    return url


def tokens_in(ping: Ping | None) -> Iterator[str]:
    """List what of an address must never be shown."""
    token = "" if ping is None else ping.url.partition("://")[2].partition("/")[2]
    if ping is None or token in ("", MASKED):  # the latter as `show` writes it
        return
    yield ping.url
    if len(token) >= _FEWEST_CHARACTERS:
        yield token


def shown_ping(ping: Ping) -> str | dict[str, str]:
    """Write an address as jobs.yaml may have it, without its token."""
    return {"secret": ping.secret} if ping.secret is not None else f"{address_of(ping.url)}/{MASKED}"


def address_of(url: str) -> str:
    """Give of a URL what may be shown: `https://host`."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    return f"{scheme}://{host}"
