"""jobs.yaml becomes jobs: read, expand, inherit, check, build.

Whatever is wrong is told at once, each problem as one line
`file:line: key path: what is wrong; what would be right`, and nothing is run.
"""

from dirsync.config.configuration import Configuration, SecretReference
from dirsync.config.loading import job_from_options, load
from dirsync.config.mask import Mask

__all__ = [
    "Configuration",
    "Mask",
    "SecretReference",
    "job_from_options",
    "load",
]
