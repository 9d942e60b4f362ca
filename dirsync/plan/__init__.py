"""Deciding what to do about what was found, completely, before the first change."""
