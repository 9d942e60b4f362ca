"""The daemon's configuration in force."""

from __future__ import annotations

from pathlib import Path

from dirsync.cli.daemon import Daemon
from dirsync.cli.output.lines import Lines
from dirsync.cli.watching import Show
from dirsync.model.stop import Stop
from dirsync.scheduler.stale import Stale
from tests.trees import tree
from tests.webhooks import web_hook

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


def test_a_stale_job_is_told_to_whom_it_names(tmp_path: Path) -> None:
    """What watches for staleness knows jobs by name alone."""
    tree(tmp_path / "s", {})
    file = tmp_path / "jobs.yaml"
    with web_hook() as hook:
        job = "{source: s, destination: d, interval: 1h, notify: [{to: hook}]}"
        file.write_text(
            f"{{version: 1, notifiers: {{hook: {{type: webhook, url: '{hook.url}'}}}}, jobs: {{one: {job}}}}}"
        )
        show = Show(json=False, quiet=True, verbosity=0, progress="none", dry_run=False, log_conf=None)
        daemon = Daemon(str(file), patterns=[], show=show)
        for name, over in (("one", False), ("other", False), ("one", True)):
            daemon.stale(Stale(job=name, last_success_at=None, stale_after_seconds=3600, over=over))
        daemon.end_telling(Stop())

        assert hook.subjects == ["one: stale: it has never succeeded", "one: well again"]
