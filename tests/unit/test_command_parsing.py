"""The command line: which command, which options, and one clear line when it is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dirsync.cli import sync
from dirsync.cli.main import main
from dirsync.cli.parsing import split_command
from dirsync.cli.run import RunOptions, parser
from dirsync.errors import ConfigError

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "command", "rest"),
    [
        ([], None, []),
        (["--now"], None, ["--now"]),
        (["check", "-c", "x.yaml"], "check", ["-c", "x.yaml"]),
        (["-c", "x.yaml", "check"], "check", ["-c", "x.yaml"]),
        (["--config=x.yaml", "-v", "check"], "check", ["--config=x.yaml", "-v"]),
        (["-c", "check", "--now"], None, ["-c", "check", "--now"]),
        (["--job", "sync", "--now"], None, ["--job", "sync", "--now"]),
        (["report", "x"], "report", ["x"]),
        (["sync", "sync", "check"], "sync", ["sync", "check"]),
    ],
)
def test_command_may_stand_before_or_after_options(
    arguments: list[str], command: str | None, rest: list[str]
) -> None:
    assert split_command(arguments) == (command, rest)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], "dirsync: unknown command 'chek'; did you mean 'check'?; see --help"),
        (["report", "--since"], "dirsync: argument --since: expected one argument; see --help"),
        (["report", "--depth", "0"], "dirsync: argument --depth: '0' is no depth; write 1 to 8; see --help"),
        (["history"], "dirsync: the following arguments are required: PATH; see --help"),
        (
            ["history", "x", "--kind", "delted"],
            "dirsync: argument --kind: 'delted' is none of created, modified, metadata, moved, deleted; "
            "did you mean 'deleted'?; see --help",
        ),
        (["accept"], "dirsync: the following arguments are required: JOB; see --help"),
        (["--progres", "none"], "dirsync: unrecognized arguments: --progres none; see --help"),
        (["--now", "--jo", "x"], "dirsync: unrecognized arguments: --jo x; see --help"),
        (["sync", "a"], "dirsync: the following arguments are required: DST; see --help"),
        (["schema", "--now"], "dirsync: unrecognized arguments: --now; see --help"),
        (["--dry-run"], "dirsync: --dry-run shows one run; it needs --now"),
        (["--now", "--save"], "dirsync: --save stores the plan of a dry run; it needs --now --dry-run"),
        (["-q", "-v"], "dirsync: argument -v/--verbose: not allowed with argument -q/--quiet; see --help"),
        (["--now"], "dirsync: no jobs.yaml here; name one with -c FILE"),
        (
            ["sync", "-c", "x", "a", "b"],
            "dirsync: sync needs no configuration file; drop -c, or run a job with --job NAME --now",
        ),
    ],
)
def test_usage_error_is_one_clear_line_and_exit_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"{message}\n")


def test_unknown_word_for_progress_is_told_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--now", "--progress", "plan"]) == 2
    assert "'plan' is none of auto, plain, none; did you mean 'plain'?" in capsys.readouterr().err


def test_every_option_that_takes_a_value_may_stand_before_a_command() -> None:
    options = ["-c", "x", "--config", "x", "--log-conf", "x", "--progress", "none", "--job", "x"]

    parser().parse_args(options, namespace=RunOptions())
    assert split_command([*options, "check"]) == ("check", options)


def test_sync_options_become_the_keys_of_a_job() -> None:
    line = "s d --exclude *.tmp --exclude /c/ --compare size,hash --delete keep -i 5s --max-delete off"
    arguments = line.split()

    options = sync.parser().parse_args(arguments, namespace=sync.SyncOptions())

    assert sync.declared(options) == {
        "source": "s",
        "destination": "d",
        "exclude": ["*.tmp", "/c/"],
        "compare": ["size", "hash"],
        "delete": "keep",
        "interval": "5s",
        "guard": {"on_trip": "fail", "max_delete": "off"},
    }


def test_main_is_the_same_through_each_door() -> None:
    doors = (["run.py"], ["-m", "dirsync"])

    answers = {
        subprocess.run(
            [sys.executable, *door, "--version"], cwd=CHECKOUT, capture_output=True, check=True
        ).stdout
        for door in doors
    }

    assert len(answers) == 1


def _loaded_by(arguments: list[str]) -> set[str]:
    """Name the modules that a command leaves loaded."""
    code = f"import sys; from dirsync.cli.main import main; main({arguments!r}); print(*sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, check=True, text=True
    )
    return set(printed.stdout.splitlines()[-1].split())


def test_msgspec_is_loaded_without_what_only_older_pythons_need() -> None:
    code = (
        "import sys; from dirsync.cli import start; start._tune(); import dirsync.model.job; "
        "loaded = {'inspect', 'typing_extensions'} & set(sys.modules); "
        "import typing_extensions; typing_extensions.TypedDict; print(sorted(loaded))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, check=True, text=True
    ).stdout

    assert printed.strip() == "[]"


def test_help_loads_nothing_that_only_a_run_needs() -> None:
    loaded = _loaded_by(["--help"])

    assert not loaded & {
        "yaml",
        "rich",
        "sqlite3",
        "schedule",
        "dirsync.config",
        "logging",
    }


@pytest.mark.parametrize(
    ("declared", "needless"),
    [
        ("type: track", {"dirsync.mirror.mirror", "dirsync.plan.planner"}),
        ("destination: ./d", {"dirsync.runner.tracking", "dirsync.catalog", "dirsync.march.tracking"}),
    ],
)
def test_a_run_loads_nothing_that_only_other_runs_need(
    declared: str, needless: set[str], tmp_path: Path
) -> None:
    (tmp_path / "s").mkdir()
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text(f"version: 1\nstate: ./state\njobs:\n  j: {{source: ./s, {declared}}}\n")
    loaded = _loaded_by(["--now", "-q", "-c", str(jobs)])

    for_others = {
        "dirsync.runner.approval",
        "dirsync.config.showing",
        "dirsync.config.schema",
        "dirsync.report",
    }
    assert "dirsync.runner.run" in loaded
    assert not loaded & (
        needless | for_others | {"filelock", "jinja2", "psycopg", "rich", "schedule", "multiprocessing"}
    )


def test_no_option_is_guessed_from_its_beginning() -> None:
    with pytest.raises(ConfigError, match="unrecognized arguments: --dry"):
        parser().parse_args(["--now", "--dry"], namespace=RunOptions())
