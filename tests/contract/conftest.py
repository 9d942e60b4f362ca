"""The servers that a catalog's contract is tested on."""

from __future__ import annotations

from tests.postgres import debian_database, debian_postgres, wheel_database, wheel_postgres

__all__ = ["debian_database", "debian_postgres", "wheel_database", "wheel_postgres"]
