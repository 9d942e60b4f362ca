"""Answering what another machine asks about a tree of this one; the same for a share and for a source."""
