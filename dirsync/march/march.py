"""The march of some directories: a pure function of what it is given.

Both sides of each directory are listed and compared, depth first, until the budget
is used up; what is left comes back as `Found.subdirectories`. The same call runs
inline, in a process pool, or on a cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dirsync.march.closer_look import CloserLook
from dirsync.march.found import Context, Directory, Found, Sides
from dirsync.march.sight import Sight
from dirsync.march.step import Step
from dirsync.trees.local import LocalTree, open_tree

Enough = Callable[[Found], bool]  # whether to stop here and leave the rest to another march
Check = Callable[[], None]


TASK_BUDGET = 20_000  # entries a task: some 100 ms, so that a stop is heard and work spreads


def _go_on() -> None:
    """Never stop."""


between_directories: Check = _go_on  # a worker process puts here what hears that its run is over


def march(context: Context, directories: list[Directory], *, budget: int, check: Check = _go_on) -> Found:
    """March directories until about `budget` entries of both sides are seen.

    `check` is called before each directory and each block that is hashed, and may
    raise to stop.

    Raises:
        OSError: a root that was there is gone.
    """
    return _march_until(context, directories, lambda found: _seen(found) >= budget, check)


def march_task(context: Context, directories: list[Directory]) -> Found:
    """March as much as one task of an executor should; this is what travels to it."""
    return march(context, directories, budget=TASK_BUDGET, check=between_directories)


def march_for(
    context: Context, directories: list[Directory], *, seconds: float, check: Check = _go_on
) -> Found:
    """March directories until the time is up (at least one of them)."""
    ends_at = time.monotonic() + seconds
    return _march_until(context, directories, lambda _: time.monotonic() >= ends_at, check)


def _march_until(context: Context, directories: list[Directory], enough: Enough, check: Check) -> Found:
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
        while left:
            check()
            directory = left.pop()
            sight = look(directory, source=source, destination=destination)
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


def _seen(found: Found) -> int:
    return found.scanned + found.destination_entries


def _open_destination(context: Context, directories: list[Directory]) -> LocalTree:
    """Open the destination; where there is none yet, every directory is the source's alone."""
    needed = any(Sides.DESTINATION in directory.sides for directory in directories)
    return open_tree(context.destination if needed else context.source)
