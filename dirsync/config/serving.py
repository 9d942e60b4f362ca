"""What the file says of other machines: endpoints to connect to, and what this one serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dirsync.config.endpoints import Endpoint, is_endpoint_path
from dirsync.config.keys import EndpointKeys, FileKeys, ServeKeys, ShareKeys, TokenKeys
from dirsync.config.nodes import MappingNode, locate
from dirsync.config.problems import Problems, did_you_mean, quoted
from dirsync.model.serving import Access, Serving, Share, is_token, token_hash

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HASHED = "sha256:"


def endpoints_of(keys: FileKeys, main: MappingNode, problems: Problems) -> dict[str, Endpoint]:
    """Give the endpoints that are right in themselves."""
    found: dict[str, Endpoint] = {}
    for name, each in (keys.endpoints or {}).items():
        noting = _Noting(main, problems, ("endpoints", name))
        if not is_endpoint_path(f"{name}:/"):
            noting.note(
                (), "cannot be used, as 'NAME:/path'; name it with letters, digits, '_', '.', '@' or '-'"
            )
            continue
        if each.url is None:
            if each.url is None and "url" not in each.written:
                noting.note((), "'url' is missing; write 'url: https://host:8443/share'")
            continue
        _check_endpoint(each, noting)
        found[name] = Endpoint(
            name=name,
            url=each.url,
            token=_secret(each.token.secret if each.token else None, noting, ("token",)),
            token_secret=each.token.secret if each.token else None,
            ca=each.ca,
            fingerprint=each.fingerprint,
            insecure=bool(each.insecure),
        )
    return found


def _check_endpoint(keys: EndpointKeys, noting: _Noting) -> None:
    assert keys.url is not None
    if keys.url.is_plain and not keys.insecure:
        text = "is plain HTTP to another machine, where anybody can listen; write https, or 'insecure: true'"
        noting.note(("url",), text)
    if keys.ca is not None and keys.fingerprint is not None:
        noting.note(("fingerprint",), "stands together with 'ca'; keep one of the two")


def serving_of(keys: FileKeys, main: MappingNode, problems: Problems) -> Serving | None:
    """Give what is to be served; None: nothing, or what the file says is wrong, and noted."""
    serve = keys.serve
    if serve is None:
        return None
    noting = _Noting(main, problems, ("serve",))
    before = len(problems)
    _check_serve(serve, noting)
    shares = tuple(
        share
        for name, each in (serve.shares or {}).items()
        if (share := _share(name, each, _Noting(main, problems, ("serve", "shares", name)))) is not None
    )
    if len(problems) > before or serve.listen is None:
        return None
    host, port = serve.listen
    tls = serve.tls
    return Serving(
        host=host,
        port=port,
        certificate=None if tls is None else tls.cert,
        key=None if tls is None else tls.key,
        insecure=bool(serve.insecure),
        shares=shares,
    )


def _check_serve(serve: ServeKeys, noting: _Noting) -> None:
    if serve.listen is None and "listen" not in serve.written:
        noting.note((), "'listen' is missing; write 'listen: 0.0.0.0:8443'")
    if not serve.shares:
        noting.note((), "serves nothing; write 'shares: {photos: {path: /srv/photos, tokens: […]}}'")
    tls = serve.tls
    if tls is not None and (tls.cert is None or tls.key is None):
        missing = "cert" if tls.cert is None else "key"
        noting.note(("tls",), f"'{missing}' is missing; 'serve --generate-cert' makes both")
    if tls is None and serve.listen is not None and serve.listen[0] not in _LOOPBACK and not serve.insecure:
        text = "is plain HTTP for other machines, where anybody can listen; "
        noting.note(("listen",), f"{text}add 'tls', listen on 127.0.0.1, or write 'insecure: true'")


def _share(name: str, keys: ShareKeys, noting: _Noting) -> Share | None:
    if not name or "/" in name or not name.isprintable() or name in (".", ".."):
        noting.note((), "the name of a share is part of a URL; choose one as 'photos'")
        return None
    if keys.path is None:
        if "path" not in keys.written:
            noting.note((), "'path' is missing; write 'path: /srv/photos'")
        return None
    tokens = list(_tokens(keys, noting))
    if not keys.tokens:
        noting.note((), "'tokens' is missing: nobody could open it; write 'tokens: [{secret: laptop}]'")
        return None
    return Share(
        name=name,
        path=keys.path.encode("utf-8", "surrogateescape"),
        access=keys.access or Access.READ,
        token_hashes=tuple(known for known, _ in tokens),
        tokens=tuple(written for _, written in tokens),
    )


def _tokens(keys: ShareKeys, noting: _Noting) -> Iterator[tuple[bytes, Mapping[str, str]]]:
    """Give the hash of each token, and how it was written."""
    for position, each in enumerate(keys.tokens or ()):
        steps = ("tokens", position)
        if (each.secret is None) == (each.sha256 is None):
            if each.written.keys() <= {"secret", "sha256"}:
                noting.note(steps, "is one thing; write either 'secret: NAME' or 'sha256: …'")
        elif each.sha256 is not None:
            yield bytes.fromhex(each.sha256), {"sha256": _HASHED + each.sha256}
        else:
            known = _hash_of_secret(each, noting, steps)
            if known is not None:
                yield known, {"secret": each.secret or ""}


def _hash_of_secret(keys: TokenKeys, noting: _Noting, steps: tuple[str | int, ...]) -> bytes | None:
    token = _secret(keys.secret, noting, steps)
    if token is None:
        return None
    if token.startswith(_HASHED):
        try:
            known = bytes.fromhex(token.removeprefix(_HASHED))
        except ValueError:
            known = b""
        if len(known) == 32:
            return known
    return token_hash(token)


def _secret(name: str | None, noting: _Noting, steps: tuple[str | int, ...]) -> str | None:
    """Give what a secret holds; None: nothing was asked for, or it is wrong, and noted."""
    if name is None:
        return None
    secrets = noting.problems.secrets
    if name not in secrets:
        near = did_you_mean(name, secrets) or "; declare it under 'secrets'"
        noting.note(steps, f"there is no secret {quoted(name)}{near}")
        return None
    if not secrets[name].strip():
        noting.note(steps, f"the secret {quoted(name)} is empty or cannot be read; give it the token")
        return None
    token = secrets[name].strip()
    if not is_token(token):
        noting.note(steps, f"the secret {quoted(name)} is no token: one is a line of printable ASCII")
        return None
    return token


class _Noting:
    """Notes problems beneath one place of the main file."""

    def __init__(self, main: MappingNode, problems: Problems, steps: tuple[str | int, ...]) -> None:
        self._main = main
        self._steps = steps
        self.problems = problems

    def note(self, steps: tuple[str | int, ...], text: str) -> None:
        """Note a problem."""
        spot = locate(self._main, (*self._steps, *steps), path="", origin=self._main.origin)
        self.problems.add(spot.origin, spot.path, text)
