"""Snapshot files: a tree at one time, one entry a line of JSON, written and read as a stream."""
