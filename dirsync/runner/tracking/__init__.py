"""A track job's run: the source against the catalog, and what differs into the catalog.

march → compare with what is on record (`comparing`) → hash what is new (`hashing`) →
tell moves from comings and goings (`moves`, `conclusion`) → merge, seal, tell (`run`).
"""
