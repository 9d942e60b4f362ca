"""What an agent serves, and to whom."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from msgspec import Struct


class Access(enum.Enum):
    """What a share lets be done, each level all of those before it."""

    LIST = "list"
    READ = "read"
    WRITE = "write"

    def allows(self, other: Access) -> bool:
        """Whether this level holds another."""
        levels = list(Access)
        return levels.index(self) >= levels.index(other)


def is_token(text: str) -> bool:
    """Whether a text can stand in a header as a token, which RFC 6750, section 2.1, is stricter about."""
    return text.isascii() and text.isprintable()


def token_hash(token: str) -> bytes:
    """Give the hash by which a token is known.

    A token is long and random, so that one SHA-256 of it is as hard to undo as a slow hash of a
    password would be.
    """
    from hashlib import sha256  # takes long to load, and few files have tokens

    return sha256(token.encode("utf-8", "surrogateescape")).digest()


class Share(Struct, frozen=True, kw_only=True):
    """A directory that is served."""

    name: str
    path: bytes  # absolute
    access: Access = Access.READ
    token_hashes: tuple[bytes, ...] = ()  # SHA-256 of each token that opens it
    tokens: tuple[Mapping[str, str], ...] = ()  # the same, as they were declared

    def __repr__(self) -> str:
        return f"Share({self.name!r})"


class Serving(Struct, frozen=True, kw_only=True):
    """How an agent serves."""

    host: str
    port: int  # 0: any that is free
    certificate: str | None = None  # absolute path of a PEM file; None: plain HTTP
    key: str | None = None
    insecure: bool = False  # plain HTTP for other machines too, said in so many words
    shares: tuple[Share, ...] = ()
