"""What a run says once about its destination, before it would have to say it of every path."""

from __future__ import annotations

import os

from dirsync.errors import RunError
from dirsync.model.attributes import Namespace
from dirsync.model.capabilities import Capabilities
from dirsync.model.job import MirrorJob, Preserve, SymlinkPolicy
from dirsync.plan.plan import Plan
from dirsync.runner.places import Places, nearest_destination


def what_is_not_kept(job: MirrorJob, *, source: Capabilities, destination: Capabilities) -> list[str]:
    """Say in a line at most what a job wants carried over and its destination does not keep."""
    wanted = job.preserve
    follows = job.symlinks is SymlinkPolicy.FOLLOW
    unkept = source.attributes - destination.attributes
    coarse = destination.mtime_resolution_ns >= 10**9
    lost = [
        name
        for name, is_lost in (
            ("modes", Preserve.MODE in wanted and not destination.modes),
            ("owners", Preserve.OWNERSHIP in wanted and not destination.modes),
            ("symlinks", Preserve.SYMLINKS in wanted and not follows and not destination.symlinks),
            ("hard links", Preserve.HARDLINKS in wanted and not destination.hard_links),
            ("extended attributes", Preserve.XATTRS in wanted and Namespace.USER in unkept),
            ("ACLs", Preserve.ACLS in wanted and Namespace.ACL in unkept),
            ("times finer than 1 s", Preserve.MTIME in wanted and coarse),
        )
        if is_lost
    ]
    return [f"the destination's file system does not keep {', '.join(lost)}"] if lost else []


def check_writable(job: MirrorJob, plan: Plan, places: Places) -> None:
    """Check that what a plan does can be done at all.

    Raises:
        RunError: the destination is mounted read-only.
    """
    read_only = getattr(os, "ST_RDONLY", 0)
    if len(plan) and os.statvfs(nearest_destination(job, places)).f_flag & read_only:
        raise RunError(
            f"'{job.name}': destination '{job.destination}' is on a read-only file system; "
            "mount it for writing"
        )
