"""Log lines: whose they are, where they go, and that none of them can forge another."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
import yaml

from dirsync.cli.logs.defaults import BUILT_IN
from dirsync.cli.logs.setup import Wishes, follow, set_up
from dirsync.errors import ConfigError
from dirsync.model.job import JobLog, MirrorJob
from dirsync.model.place import LocalPlace
from dirsync.runner.context import running, set_run_id

CHECKOUT = Path(__file__).parents[2]
logger = logging.getLogger("dirsync.example")


pytestmark = pytest.mark.usefixtures("restored_logging")


def job(name: str, *, level: str | None = None, file: Path | None = None) -> MirrorJob:
    log = JobLog(level=level, file=None if file is None else str(file))
    return MirrorJob(name=name, source=LocalPlace(path=b"/s"), destination=LocalPlace(path=b"/d"), log=log)


def log_of(folder: Path, name: str) -> list[str]:
    return (folder / "logs" / f"{name}.log").read_text().splitlines()


def test_file_in_the_checkout_says_what_is_built_in() -> None:
    assert yaml.safe_load((CHECKOUT / "log_conf.yaml").read_text()) == BUILT_IN


def test_each_job_has_its_own_file_and_each_line_its_job_and_run(tmp_path: Path) -> None:
    set_up(Wishes(), jobs=[job("a"), job("b")], base=str(tmp_path))

    def work(name: str, run_id: int) -> None:
        with running(name):
            set_run_id(run_id)
            logger.info("scanned: %d entries", run_id)

    threads = [threading.Thread(target=work, args=(name, run_id)) for name, run_id in (("a", 1), ("b", 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logger.info("nobody's")

    assert [line.split(" ", 1)[1] for line in log_of(tmp_path, "a")] == [
        "INFO    a#1 dirsync.example: scanned: 1 entries"
    ]
    assert [line.split(" ", 1)[1] for line in log_of(tmp_path, "b")] == [
        "INFO    b#2 dirsync.example: scanned: 2 entries"
    ]


def test_message_stays_one_line_whatever_a_name_holds(tmp_path: Path) -> None:
    set_up(Wishes(), jobs=[job("a")], base=str(tmp_path))

    with running("a"):
        logger.warning("given up: '%s'", "x\n2026 ERROR forged\x1b[2J\udcff \\n")

    assert log_of(tmp_path, "a")[0].endswith("given up: 'x\\n2026 ERROR forged\\x1b[2J\\xff \\n'")


def test_secrets_are_masked_in_every_handler(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wishes = Wishes(verbosity=1, on_screen=False)
    set_up(wishes, jobs=[job("a")], base=str(tmp_path), mask=lambda text: text.replace("hunter2", "***"))

    with running("a"):
        logger.info("token %s", "hunter2")

    assert "token ***" in log_of(tmp_path, "a")[0]
    assert capsys.readouterr().err == "INFO: a: token ***\n"


def test_job_declares_its_own_level_and_file(tmp_path: Path) -> None:
    own = tmp_path / "own.log"
    set_up(Wishes(), jobs=[job("a", level="debug", file=own), job("b")], base=str(tmp_path))

    for name in ("a", "b"):
        with running(name):
            logger.debug("a path")
            logger.info("a stage")

    assert [line.rpartition(": ")[2] for line in own.read_text().splitlines()] == ["a path", "a stage"]
    assert [line.rpartition(": ")[2] for line in log_of(tmp_path, "b")] == ["a stage"]


def test_changed_configuration_moves_the_log(tmp_path: Path) -> None:
    own = tmp_path / "own.log"
    set_up(Wishes(), jobs=[job("a")], base=str(tmp_path))
    with running("a"):
        logger.info("before")
    follow([job("a", file=own)], base=str(tmp_path))
    with running("a"):
        logger.info("after")

    assert len(log_of(tmp_path, "a")) == len(own.read_text().splitlines()) == 1


def test_unwritable_log_is_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(Wishes(), jobs=[job("a", file=tmp_path / "no" / "a.log")], base=str(tmp_path))

    with running("a"):
        logger.info("one")
        logger.info("two")

    assert capsys.readouterr().err == (
        f"warning: log '{tmp_path}/no/a.log' cannot be written: No such file or directory; "
        "the run goes on without it\n"
    )


def test_full_disk_beneath_the_log_is_one_warning(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(Wishes(), jobs=[job("a", file=Path("/dev/full"))], base=None)

    with running("a"):
        logger.info("one")
        logger.info("two")
    follow([], base="/")

    assert capsys.readouterr().err.count("No space left on device") == 1


def test_log_without_a_configuration_file_is_written_only_where_asked(tmp_path: Path) -> None:
    set_up(Wishes(), jobs=[job("sync", file=tmp_path / "mine.log"), job("other")], base=None)

    for name in ("sync", "other"):
        with running(name):
            logger.info("a stage")

    assert [path.name for path in tmp_path.iterdir()] == ["mine.log"]


def test_console_leaves_out_what_a_run_shows_anyway(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(Wishes(), jobs=[job("a")], base=str(tmp_path))

    with running("a"):
        logger.warning("given up: 'x'")
    logger.error("changed declaration refused")

    assert capsys.readouterr().err == "ERROR: -: changed declaration refused\n"


def test_console_tells_all_of_it_beside_machine_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(Wishes(on_screen=False), jobs=[job("a")], base=str(tmp_path))

    with running("a"):
        logger.warning("given up: 'x'")

    assert capsys.readouterr().err == "WARNING: a: given up: 'x'\n"


def test_console_tells_each_path_at_vv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(Wishes(verbosity=2), jobs=[job("a")], base=str(tmp_path))

    with running("a"):
        logger.debug("copied: 'x'")

    assert capsys.readouterr().err == "DEBUG: a: copied: 'x'\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version: 1\nhandlers: {c: {class: no.such.Handler}}", "No module named 'no'"),
        ("just text", "not a mapping"),
        ("a: [", "while parsing"),
        ("version: 9", "Unsupported version"),
    ],
)
def test_broken_logging_configuration_is_one_line_with_its_file(
    text: str, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "log_conf.yaml"
    file.write_text(text)

    with pytest.raises(ConfigError) as error:
        set_up(Wishes(log_conf=str(file)), jobs=[], base=None)

    assert len(error.value.problems) == 1
    assert error.value.problems[0].startswith(f"{file}: ")
    assert reason in error.value.problems[0]
    assert "\n" not in error.value.problems[0]


def test_own_handlers_of_a_user_are_made_safe_too(tmp_path: Path) -> None:
    file, log = tmp_path / "log_conf.yaml", tmp_path / "all.log"
    file.write_text(
        "version: 1\n"
        "formatters: {f: {format: '%(job)s %(message)s'}}\n"
        f"handlers: {{h: {{class: logging.FileHandler, filename: '{log}', formatter: f}}}}\n"
        "loggers: {dirsync: {level: INFO, handlers: [h]}}\n"
    )
    set_up(Wishes(log_conf=str(file)), jobs=[], base=None, mask=lambda text: text.replace("hunter2", "***"))

    with running("a"):
        logger.info("hunter2\n%s", "x")

    assert log.read_text() == "a ***\\nx\n"


def test_a_format_with_a_field_that_no_record_has_is_refused(tmp_path: Path) -> None:
    conf = {
        "version": 1,
        "formatters": {"odd": {"format": "%(nope)s %(message)s"}},
        "handlers": {"there": {"class": "logging.NullHandler", "formatter": "odd"}},
        "loggers": {"dirsync": {"handlers": ["there"]}},
    }
    file = tmp_path / "log_conf.yaml"
    file.write_text(yaml.safe_dump(conf))

    with pytest.raises(ConfigError, match=r"handlers\.there: the format cannot be used: .*'nope'"):
        set_up(Wishes(log_conf=str(file)), jobs=[job("a")], base=None)
