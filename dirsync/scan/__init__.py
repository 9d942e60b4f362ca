"""Seeing what a tree holds, one directory at a time."""
