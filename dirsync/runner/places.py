"""The two ends of a job, looked at before a run: there, mounted, and the ones that were meant."""

from __future__ import annotations

import os
import stat

from msgspec import Struct
from msgspec.structs import replace

from dirsync.errors import RunError, Skipped
from dirsync.model.job import Job, MirrorJob
from dirsync.model.names import local_text
from dirsync.model.place import FarPlace, LocalPlace, Place
from dirsync.trees import fsops
from dirsync.trees.handles import split
from dirsync.trees.local import open_root, open_tree, status_of_root
from dirsync.trees.mounts import is_mount_point


class Places(Struct, frozen=True, kw_only=True):
    """What was found at both ends."""

    source: Place  # pinned to the directory that was found
    destination: LocalPlace | None  # the same; None: there is no destination yet
    marker_sides: frozenset[str]  # where the marker is: "source", "destination"


def look_at_places(job: MirrorJob, *, marker_seen: frozenset[str]) -> Places:
    """Look at both ends of a job; `marker_seen` says where its marker was on the last run.

    Raises:
        RunError: one of them is not there, or is no directory.
        Skipped: the destination is not mounted, or the marker is not there.
    """
    source = look_at_one_source(job)
    destination = _directory(job, job.destination, "destination")
    _check_mounted(job, job.destination, "destination")
    marker_sides = _look_for_marker(job, marker_seen)
    if destination is None:
        _check_parent(job)
    return Places(
        source=source,
        destination=pinned(job.destination, destination) if destination else None,
        marker_sides=marker_sides,
    )


def look_at_source(job: Job) -> Place:
    """Look at the source of a job that has no other end, and give it pinned to what is there.

    Raises:
        RunError: it is not there, or is no directory.
        Skipped: it is not mounted, or its marker is not there.
    """
    if isinstance(job.source, LocalPlace):
        _check_mounted(job, job.source, "source")
    source = look_at_one_source(job)
    marker = job.guard.marker
    if marker is not None and not _is_at(job.source, marker):
        raise Skipped(
            f"'{job.name}': marker {_quoted(marker)} is not at the source; "
            "is it mounted? Create the file there if it is the right place"
        )
    return source


def look_at_one_source(job: Job) -> Place:
    """Look at the source of a job, and give it pinned to what is there.

    Raises:
        RunError: it is not there, is no directory, or a far end does not answer.
    """
    place = job.source_as_read
    if isinstance(place, FarPlace):
        with open_tree(place) as tree:
            root = tree.directory(b"")
        return replace(place, identity=(root.dev, root.ino))
    source = _directory(job, place, "source")
    if source is None:
        raise RunError(f"'{job.name}': source {_quoted(place.path)} does not exist; is it mounted?")
    return pinned(place, source)


def _check_mounted(job: Job, place: LocalPlace, end: str) -> None:
    if job.guard.mountpoint and not is_mount_point(place.path):
        raise Skipped(
            f"'{job.name}': {end} {_quoted(place.path)} is not mounted; mount it or drop 'mountpoint: true'"
        )


def look_at_destination(job: MirrorJob) -> LocalPlace:
    """Look at the destination of a job that has run, and give it pinned to what is there.

    Raises:
        RunError: it is not there, or is no directory.
    """
    destination = _directory(job, job.destination, "destination")
    if destination is None:
        raise RunError(
            f"'{job.name}': destination {_quoted(job.destination.path)} does not exist; "
            "the job has not run yet, or it is not mounted"
        )
    return pinned(job.destination, destination)


def _is_at(place: Place, path: bytes) -> bool:
    """Whether there is anything at a path of a place."""
    if isinstance(place, LocalPlace) and place.within is None:
        return os.path.lexists(os.path.join(place.path, path))
    try:
        with open_tree(place) as tree:
            return tree.entry(path) is not None
    except OSError:
        return False


def pinned(place: LocalPlace, status: os.stat_result) -> LocalPlace:
    """Tie a place to the directory that is there now, so that no other is taken for it."""
    return replace(place, identity=(status.st_dev, status.st_ino))


def _directory(job: Job, place: LocalPlace, end: str) -> os.stat_result | None:
    """Look at one end; None: nothing is there."""
    path = place.path
    try:
        status = status_of_root(place)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(
            f"'{job.name}': {end} {_quoted(path)} cannot be looked at: {error.strerror}"
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise RunError(f"'{job.name}': {end} {_quoted(path)} is not a directory")
    return status


def _check_parent(job: MirrorJob) -> None:
    """Let a destination be created only beside something: an unmounted disk must not fill the one beneath."""
    parent = _parent_of(job.destination)
    if _directory(job, parent, "the destination's parent") is None:
        raise RunError(
            f"'{job.name}': destination {_quoted(job.destination.path)} does not exist, nor does its parent "
            f"{_quoted(parent.path)}; mount it, or create the parent"
        )


def _parent_of(place: LocalPlace) -> LocalPlace:
    return replace(place, path=os.path.dirname(place.path), identity=None)


def _look_for_marker(job: MirrorJob, seen: frozenset[str]) -> frozenset[str]:
    """Find the marker: on one side at least, and on each side that had it on the last run."""
    marker = job.guard.marker
    if marker is None:
        return frozenset()
    ends = {"source": job.source, "destination": job.destination}
    sides = frozenset(end for end, place in ends.items() if _is_at(place, marker))
    missing = seen - sides or ({"source or destination"} if not sides else set())
    if missing:
        raise Skipped(
            f"'{job.name}': marker {_quoted(marker)} is not at the {' and the '.join(sorted(missing))}; "
            "is it mounted? Create the file there if it is the right place"
        )
    return sides


def create_destination(job: MirrorJob) -> None:
    """Make the destination's root, in a parent that is there.

    Raises:
        RunError: it cannot be made.
    """
    try:
        fd = open_root(_parent_of(job.destination))
        try:
            fsops.make_directory(fd, split(job.destination.path)[1])
        finally:
            os.close(fd)
    except OSError as error:
        raise RunError(
            f"'{job.name}': destination {_quoted(job.destination.path)} cannot be made: {error.strerror}"
        ) from error


def _quoted(path: bytes) -> str:
    return f"'{local_text(path)}'"


def nearest_destination(job: MirrorJob, places: Places) -> bytes:
    """Give a path on the destination's file system: its own, or its parent's while it is yet to be made."""
    path = job.destination.path
    return path if places.destination is not None else os.path.dirname(path)
