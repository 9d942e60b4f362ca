"""The catalog: what every tracked tree holds, and every change of it, on SQLite or PostgreSQL.

A run never alters rows one by one. It stages what changed, in tables of its own, and
one transaction merges that into the current view and the history (`contract`). Each
run's rows are sealed and chained (`seal`, `audit`), so that what somebody else changed
in the catalog is found.
"""
