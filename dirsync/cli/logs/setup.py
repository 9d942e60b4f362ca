"""Set logging up: read log_conf.yaml, then make every handler safe, whoever declared it."""

from __future__ import annotations

import copy
import logging
import logging.config
import os
from collections.abc import Iterator, Sequence

from msgspec import Struct

import dirsync
from dirsync.cli.logs.defaults import BUILT_IN
from dirsync.cli.logs.files import JobFiles
from dirsync.cli.logs.lines import SafeFormatter, is_not_on_screen, name_the_run
from dirsync.cli.output.lines import Mask, error_line, unmasked
from dirsync.errors import ConfigError
from dirsync.model.job import Job

FILE_NAME = "log_conf.yaml"
_CONSOLE = "console"


class Wishes(Struct, frozen=True, kw_only=True):
    """What the command line says about logging."""

    log_conf: str | None = None  # None: look for log_conf.yaml
    verbosity: int = 0
    quiet: bool = False
    on_screen: bool = True  # people see what runs do and warn of; -vv logs it beside that


def set_up(wishes: Wishes, *, jobs: Sequence[Job], base: str | None, mask: Mask = unmasked) -> None:
    """Set logging up for some jobs, declared in the directory `base`; None: without a file.

    Raises:
        ConfigError: the logging configuration is wrong.
    """
    file = wishes.log_conf or _found(base)
    _apply(_read(file) if file is not None else BUILT_IN, file=file)
    for handler in _handlers():
        handler.addFilter(name_the_run)
        handler.setFormatter(SafeFormatter(handler.formatter or logging.Formatter(), mask=mask))
        _check_format(handler, file=file or "built-in logging")
        if handler.name == _CONSOLE:
            _tune_console(handler, wishes)
        if isinstance(handler, JobFiles):
            handler.attach(jobs, base=base)
    _let_through()


def _check_format(handler: logging.Handler, *, file: str) -> None:
    """Write a record as a handler would: a field that no record has is told now, and not by each line.

    Raises:
        ConfigError: it cannot be written.
    """
    record = logging.LogRecord("dirsync", logging.INFO, __file__, 0, "tried", None, None)
    handler.filter(record)
    try:
        handler.format(record)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ConfigError(
            (f"{file}: handlers.{handler.name}: the format cannot be used: {error}",)
        ) from error


def follow(jobs: Sequence[Job], *, base: str) -> None:
    """Take over the logs that a changed configuration declares."""
    for handler in _handlers():
        if isinstance(handler, JobFiles):
            handler.attach(jobs, base=base)
    _let_through()


def _found(base: str | None) -> str | None:
    program = os.path.dirname(os.path.dirname(os.path.abspath(dirsync.__file__)))
    for directory in (base, program):
        if directory is not None and os.path.isfile(os.path.join(directory, FILE_NAME)):
            return os.path.join(directory, FILE_NAME)
    return None


def _read(file: str) -> object:
    import yaml

    try:
        with open(file, encoding="utf-8") as stream:
            loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # ten times as fast
            return yaml.load(stream, Loader=loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _wrong(file, error) from error


def _apply(conf: object, *, file: str | None) -> None:
    if not isinstance(conf, dict):
        raise ConfigError((f"{file}: not a mapping; see the manual of logging.config.dictConfig",))
    try:
        logging.config.dictConfig(copy.deepcopy(conf))
    except (ValueError, TypeError, AttributeError, ImportError, KeyError) as error:
        if not isinstance(error.__cause__, OSError):
            raise _wrong(file or "built-in logging", error.__cause__ or error) from error
        error_line(f"warning: {file}: {error}: {error.__cause__}; logging goes its default way")
        logging.config.dictConfig(copy.deepcopy(BUILT_IN))


def _wrong(file: str, error: BaseException) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ConfigError((f"{file}: {' '.join(reason.split())}",))


def _handlers() -> Iterator[logging.Handler]:
    """Give each handler of the configuration once."""
    loggers = (logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict))
    return iter({id(handler): handler for logger in loggers for handler in logger.handlers}.values())


def _tune_console(console: logging.Handler, wishes: Wishes) -> None:
    if wishes.quiet:
        console.setLevel(logging.ERROR)
    elif wishes.verbosity:
        console.setLevel(logging.INFO if wishes.verbosity == 1 else logging.DEBUG)
    if wishes.on_screen and wishes.verbosity < 2:
        console.addFilter(is_not_on_screen)


def _let_through() -> None:
    """Lower the logger where a handler wants more than it lets through."""
    logger = logging.getLogger("dirsync")
    wanted = [handler.level for handler in logger.handlers]
    if wanted and min(wanted) < logger.getEffectiveLevel():
        logger.setLevel(max(min(wanted), logging.DEBUG))
