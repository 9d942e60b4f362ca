"""What a secret that a key names holds."""

from __future__ import annotations

from collections.abc import Mapping

from dirsync.config.problems import did_you_mean, quoted


def secret_value(name: str, secrets: Mapping[str, str], *, what: str) -> str:
    """Give the value of a secret; `what` it should hold.

    Raises:
        ValueError: there is none of that name, or it is empty or cannot be read.
    """
    if name not in secrets:
        near = did_you_mean(name, secrets) or "; declare it under 'secrets'"
        raise ValueError(f"there is no secret {quoted(name)}{near}")
    if not secrets[name]:
        raise ValueError(f"the secret {quoted(name)} is empty or cannot be read; give it {what}")
    return secrets[name]
