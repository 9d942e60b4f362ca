"""Which commands there are, in the order the help lists them."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One command: its module is `dirsync.cli.<name>`."""

    name: str
    summary: str


COMMANDS = {
    command.name: command
    for command in (
        Command("sync", "make DST agree with SRC, without a configuration file"),
        Command("check", "validate the configuration"),
        Command("show", "print the effective configuration, secrets masked"),
        Command("schema", "print the JSON Schema of jobs.yaml"),
        Command("explain", "tell which rule selects or excludes a path"),
        Command("versions", "list what was deleted or overwritten and can be restored"),
        Command("restore", "bring back what was deleted or overwritten"),
        Command("verify", "read source and replica again and compare them with the hashes on record"),
        Command("snap", "write down what a directory holds"),
        Command("diff", "tell how two directories or snapshots differ"),
        Command("status", "show the last and the next run of each job"),
        Command("history", "tell what happened to a path, by which run"),
        Command("report", "tell what changed since a moment, as text, a page or JSON"),
        Command("accept", "mark changes that a track job recorded as reviewed"),
        Command("approve", "carry out the plan that a guard held"),
        Command("notify", "send a test message to a notifier"),
        Command("serve", "serve directories to the jobs of other machines"),
        Command("catalog", "make the catalog of track jobs, audit it, seal it with a key"),
    )
}

RUN = Command("run", "run jobs: on their schedules, or at once with --now")
