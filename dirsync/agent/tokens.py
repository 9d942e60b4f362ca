"""Who may ask: tokens, known by their hashes alone."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence

from dirsync.model.serving import Share, token_hash

_TOKEN_BYTES = 32


def new_token() -> str:
    """Make up a token that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def shares_opened_by(token: str | None, shares: Sequence[Share]) -> list[Share]:
    """Give the shares that a token opens; every known hash is compared, in constant time each."""
    if not token:
        return []
    given = token_hash(token)
    opened = []
    for share in shares:
        matches = [hmac.compare_digest(given, known) for known in share.token_hashes]
        if any(matches):
            opened.append(share)
    return opened


def bearer_token(header: str | None) -> str | None:
    """Give the token of an `Authorization` header; None: there is none.

    Source: RFC 6750, section 2.1.
    """
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
