"""dirsync: one YAML file that keeps directories mirrored and watched.

A job makes a destination agree with a source. Every job goes through the same
stages, and each stage has a folder of its own::

    config → runner → march (scan, compare) → plan (guards) → mirror → ledger
"""

__version__ = "0.1.0"
