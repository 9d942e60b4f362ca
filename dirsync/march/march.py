"""The march of some directories of two trees: a pure function of what it is given.

Both sides of each directory are listed and compared, depth first, until it is
enough; what is left comes back as `Found.subdirectories`. The same call runs
inline, in a process pool, or on a cluster.
"""

from __future__ import annotations

from dirsync.march.closer_look import CloserLook
from dirsync.march.found import Context, Directory, Found, Sides
from dirsync.march.marching import Check, Enough
from dirsync.march.sight import Sight
from dirsync.march.step import Step
from dirsync.march.strider import Strider, may_stride, siblings_of
from dirsync.scan.stride import Sighted
from dirsync.trees.local import LocalTree, open_tree


def march(context: Context, directories: list[Directory], enough: Enough, check: Check) -> Found:
    """March directories until `enough` says so, at least one of them.

    `check` is called before each directory and each block that is hashed, and may
    raise to stop.

    Raises:
        OSError: a root that was there is gone.
    """
    found = Found()
    left = directories[::-1]
    look = _look_of(context)
    with open_tree(context.source) as source, _open_destination(context, left) as destination:
        closer_look = CloserLook(
            source,
            destination,
            rules=context.rules,
            reads_disk=context.reads_disk,
            found=found,
            check=check,
        )
        strider = Strider(context, source=source, destination=destination, found=found)
        strides = may_stride(context)
        while left:
            check()
            steps: list[tuple[Directory, Sighted | None]]
            if strides and strider.takes(left[-1]):
                steps, later = strider.stride(siblings_of(left, takes=strider.takes))
                left += reversed(later)
            else:
                steps = [(left.pop(), None)]
            for directory, sighted in steps:
                sight = look(directory, source=source, destination=destination, sighted=sighted)
                step = Step(
                    context,
                    directory,
                    sight=sight,
                    source=source,
                    destination=destination,
                    closer_look=closer_look,
                    found=found,
                )
                step.run()
            left += reversed(found.subdirectories)
            found.subdirectories.clear()
            if enough(found):
                break
    found.subdirectories = left[::-1]
    return found


def _look_of(context: Context) -> type[Sight]:
    if context.source.follows_links:
        from dirsync.march.following import FollowingSight  # few jobs need it

        return FollowingSight
    return Sight


def _open_destination(context: Context, directories: list[Directory]) -> LocalTree:
    """Open the destination; where there is none yet, every directory is the source's alone."""
    needed = any(Sides.DESTINATION in directory.sides for directory in directories)
    return open_tree(context.destination if needed else context.source)
