"""The daemon's configuration in force."""

from __future__ import annotations

from pathlib import Path

from dirsync.cli.daemon import Daemon
from dirsync.cli.output.lines import Lines
from dirsync.cli.watching import Show
from dirsync.model.stop import Stop
from tests.trees import tree

JOBS = "{version: 1, state: %s, jobs: {one: {source: ./s, destination: ./d, interval: 1h}}}"


def test_runs_keep_their_state_directory_when_the_file_names_another(tmp_path: Path) -> None:
    tree(tmp_path / "s", {"a": b"1"})
    file = tmp_path / "jobs.yaml"
    file.write_text(JOBS % "./first")
    show = Show(json=False, quiet=True, verbosity=0, progress="none", dry_run=False, log_conf=None)
    daemon = Daemon(str(file), patterns=[], show=show)
    file.write_text(JOBS % "./second")

    declaration = daemon.load()
    stop = Stop()
    daemon.run(declaration.jobs[0], lines=Lines(mask=daemon.mask, stop=stop), stop=stop)

    assert declaration.state == str(tmp_path / "second")
    assert (tmp_path / "first" / "ledger.db").exists()
    assert not (tmp_path / "second").exists()
