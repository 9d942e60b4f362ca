"""jobs.yaml becomes jobs: read, expand, inherit, check, build.

Whatever is wrong is told at once, each problem as one line
`file:line: key path: what is wrong; what would be right`, and nothing is run.
"""

from dirsync.config.configuration import Configuration, Mask, SecretReference
from dirsync.config.loading import job_from_options, load
from dirsync.config.schema import json_schema
from dirsync.config.showing import effective_yaml

__all__ = [
    "Configuration",
    "Mask",
    "SecretReference",
    "effective_yaml",
    "job_from_options",
    "json_schema",
    "load",
]
