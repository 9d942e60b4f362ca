"""The two ends of a job, found: on this machine, or another's; and what only ends of this one can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dirsync.config.endpoints import Endpoint, FarName, place_of
from dirsync.config.keys import JobKeys
from dirsync.config.nodes import MappingNode, locate
from dirsync.config.problems import Problems
from dirsync.model.job import JobType, SymlinkPolicy
from dirsync.model.place import FarPlace, Place


def places_of(
    keys: JobKeys, node: MappingNode, problems: Problems, *, path: str, endpoints: Mapping[str, Endpoint]
) -> dict[str, Place] | None:
    """Give the places of a job by their keys; None: one is wrong, and noted."""
    found: dict[str, Place] = {}

    def note(key: str, text: str) -> None:
        spot = locate(node, (key,), path=path, origin=node.origin)
        problems.add(spot.origin, spot.path, text)

    before = len(problems)
    for key, written in (("source", keys.source), ("destination", keys.destination)):
        if written is None:
            continue
        if not isinstance(written, FarName):
            found[key] = written
            continue
        try:
            found[key] = place_of(written, endpoints)
        except ValueError as error:
            note(key, str(error))
    if len(problems) == before:
        _check(keys, found, note)
    return found if len(problems) == before else None


def _check(keys: JobKeys, places: Mapping[str, Place], note: Callable[[str, str], None]) -> None:
    far = {key for key, place in places.items() if isinstance(place, FarPlace)}
    if "source" in far and "destination" in far:
        note(
            "destination", "is on another machine, as the source is; let one of the two machines run the job"
        )
    if "source" not in far:
        return
    if keys.type is JobType.TRACK:
        note("source", "is on another machine; let that machine track it")
    if keys.symlinks is SymlinkPolicy.FOLLOW:
        note("symlinks", "follows no links of another machine; write 'symlinks: preserve' or 'skip'")
    if keys.watch:
        note("watch", "hears nothing of another machine; drop it, and give the job an 'interval'")
