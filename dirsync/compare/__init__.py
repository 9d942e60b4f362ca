"""Deciding what counts as different, as far as both sides can keep it."""
