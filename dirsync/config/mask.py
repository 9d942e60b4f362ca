"""Hiding secrets in whatever is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from msgspec import Struct

MASKED = "***"


class Mask(Struct, frozen=True):
    """Replaces every known secret in a text by `***`; called with a text, gives a text.

    A secret is found as it is, as JSON, Python and a URL would write it, and line by line.
    """

    needles: tuple[str, ...] = ()  # longest first

    def __repr__(self) -> str:
        return "Mask(…)"  # never what it hides

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Self:
        """Make a mask of secret values; empty ones hide nothing."""
        needles = {needle for secret in secrets for needle in _writings(secret)}
        return cls(tuple(sorted(needles, key=lambda needle: (-len(needle), needle))))

    def __call__(self, text: str) -> str:
        for needle in self.needles:
            text = text.replace(needle, MASKED)
        return text


def _writings(secret: str) -> set[str]:
    """List the ways in which a secret may turn up in a text."""
    lines = [line for line in secret.splitlines() if line.strip()]
    texts = {secret, *lines} if secret.strip() else set()
    if not texts:
        return texts
    import json  # these load much, and few have secrets
    from urllib.parse import quote

    quoted = {quote(text, safe="", errors="surrogateescape") for text in texts}
    return texts | quoted | {json.dumps(text)[1:-1] for text in texts} | {repr(text)[1:-1] for text in texts}
