"""The march of some directories of two trees: a pure function of what it is given.

Both sides of each directory are listed and compared, depth first, until it is
enough; what is left comes back as `Found.subdirectories`. Strides go through what is
equal, and each directory that differs takes a step. The same call runs inline, in
threads, in a process pool, or on a cluster.
"""

from __future__ import annotations

from collections.abc import Callable

from dirsync.march.closer_look import CloserLook
from dirsync.march.found import Context, Directory, Found, Sides
from dirsync.march.marching import Check, Enough
from dirsync.march.sight import Sight
from dirsync.march.step import Step
from dirsync.march.striding import strider_for
from dirsync.scan.stride import Sighted
from dirsync.trees.local import open_tree
from dirsync.trees.source import SourceTree


def march(context: Context, directories: list[Directory], enough: Enough, check: Check) -> Found:
    """March directories until `enough` says so, at least one of them.

    `check` is called before each stride, each directory and each block that is hashed, and may
    raise to stop.

    Raises:
        OSError: a root that was there is gone.
    """
    found = Found()
    left = directories[::-1]
    with open_tree(context.source) as source, _open_destination(context, left) as destination:
        strider = strider_for(context, source=source, destination=destination, found=found, check=check)
        step = _steps(context, source=source, destination=destination, found=found, check=check)
        while left:
            check()
            for directory, sighted in strider.next_steps(left):
                check()
                step(directory, sighted)
            left += reversed(found.subdirectories)
            found.subdirectories.clear()
            if enough(found):
                break
    found.subdirectories = left[::-1]
    return found


def _steps(
    context: Context, *, source: SourceTree, destination: SourceTree, found: Found, check: Check
) -> Callable[[Directory, Sighted | None], None]:
    """Give what takes one step, with what was already seen of the directory (None: nothing was)."""
    look = _look_of(context)
    closer_look = CloserLook(
        source, destination, rules=context.rules, reads_disk=context.reads_disk, found=found, check=check
    )

    def step(directory: Directory, sighted: Sighted | None) -> None:
        sight = look(directory, source=source, destination=destination, sighted=sighted)
        Step(
            context,
            directory,
            sight=sight,
            source=source,
            destination=destination,
            closer_look=closer_look,
            found=found,
        ).run()

    return step


def _look_of(context: Context) -> type[Sight]:
    if context.source.follows_links:
        from dirsync.march.following import FollowingSight  # few jobs need it

        return FollowingSight
    return Sight


def _open_destination(context: Context, directories: list[Directory]) -> SourceTree:
    """Open the destination; where there is none yet, every directory is the source's alone."""
    needed = any(Sides.DESTINATION in directory.sides for directory in directories)
    return open_tree(context.destination if needed else context.source)
