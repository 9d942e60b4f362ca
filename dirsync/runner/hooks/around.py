"""A run with its hooks around it: which are run when, and what their ends mean for it.

before → the run → after → on_error → finally. What the run did is noted in the ledger before the
hooks that follow it begin, so whatever becomes of them, it is known; how it ended is known only
when they have.
"""

from __future__ import annotations

import datetime
import logging
import os
import time
from collections.abc import Callable

from msgspec.structs import replace

from dirsync.config.scalars import written_seconds
from dirsync.errors import Cancelled, RunError, Skipped
from dirsync.model.job import Command, Hooks, Job
from dirsync.model.names import escaped, in_words
from dirsync.model.result import Outcome, RunResult
from dirsync.model.result_fields import moment
from dirsync.model.stop import Deadline
from dirsync.runner.hooks.command import Check, Ended, run_command
from dirsync.runner.hooks.facts import Begun, Hook, Mask, environment_of, facts_of
from dirsync.runner.observer import Observer

logger = logging.getLogger(__name__)

_SKIP = 75  # the exit code of a hook that wants the run to be skipped
_FINAL_SECONDS = 30.0  # for the hooks that are run after a signal
_LONGEST_WORDS = 200  # of a hook's last line, in the message that it failed

_CAME_TO_ITS_END = frozenset({Outcome.SUCCEEDED, Outcome.PARTIAL})
_NEEDS_A_LOOK = frozenset({Outcome.PARTIAL, Outcome.FAILED, Outcome.HELD})

End = Callable[[RunError], RunResult]  # makes the result of a run that an error ended


class HookedRun:
    """One run of a job with hooks."""

    def __init__(
        self,
        job: Job,
        hooks: Hooks,
        *,
        run_id: int,
        started_at: datetime.datetime,
        observer: Observer,
        deadline: Deadline,
        mask: Mask,
    ) -> None:
        self._job = job
        self._hooks = hooks
        self._begun = Begun(job=job, run_id=run_id, started_at=moment(started_at))
        self._observer = observer
        self._deadline = deadline
        self._mask = mask
        self._signalled_at: float | None = None  # None: no signal came yet

    def run(self, work: Callable[[], RunResult], *, ended: End) -> RunResult:
        """Run what belongs before, the work, and what belongs after it; give what came of it all.

        Raises: what `work` raises, after the hooks that belong to that.
        """
        try:
            result = self._worked(work, ended=ended)
        except BaseException as error:  # nobody else undoes what the hooks before it did
            reason = error if isinstance(error, RunError) else RunError(f"'{self._job.name}': broke off")
            self._followed(ended(reason))
            raise
        return self._followed(result)

    def _worked(self, work: Callable[[], RunResult], *, ended: End) -> RunResult:
        try:
            for command in self._hooks.before:
                self._prepare(command)
        except RunError as error:
            return ended(error)
        return work()

    def _prepare(self, command: Command) -> None:
        """Run one `before` hook.

        Raises:
            Skipped: it wants the run to be skipped.
            Cancelled: a signal came, or the run's time is over.
            RunError: it failed.
        """
        self._deadline.check()
        ended = self._run(Hook.BEFORE, command, None, self._deadline.check)
        name = f"'{self._job.name}': before hook '{_name(command)}'"
        if isinstance(ended, Ended) and ended.code == _SKIP and not ended.timed_out:
            raise Skipped(self._mask(f"{name} skipped the run{_last_words(ended)}"))
        why = self._failure(ended)
        if why is not None:
            raise RunError(
                self._mask(f"{name} {why}; nothing was changed; mend it, or let it exit with 75 to skip")
            )

    def _followed(self, result: RunResult) -> RunResult:
        """Run what belongs after a run that came to this; give what it comes to with that."""
        if result.outcome in _CAME_TO_ITS_END:
            result = self._after(result)
        if result.outcome in _NEEDS_A_LOOK:
            for command in self._hooks.on_error:
                self._note(self._reported(Hook.ON_ERROR, command, result, self._deadline.check_signal))
        for command in self._hooks.finally_:
            failure = self._reported(Hook.FINALLY, command, result, self._check_last)
            if failure is not None and result.outcome in _CAME_TO_ITS_END:
                result = _spoiled(result, failure)
            else:
                self._note(failure)
        return result

    def _after(self, result: RunResult) -> RunResult:
        for command in self._hooks.after:
            failure = self._reported(Hook.AFTER, command, result, self._deadline.check_signal)
            if failure is not None:
                return _spoiled(result, failure)
        return result

    def _reported(self, hook: Hook, command: Command, result: RunResult, check: Check) -> RunError | None:
        """Run one hook after the run; log and give the failure, if it failed."""
        try:
            check()
            ended = self._run(hook, command, result, check)
        except Cancelled as cancelled:
            logger.warning("%s hook '%s' was not run to its end: %s", hook.value, _name(command), cancelled)
            return cancelled
        why = self._failure(ended)
        if why is None:
            return None
        failure = RunError(self._mask(f"'{self._job.name}': {hook.value} hook '{_name(command)}' {why}"))
        logger.error("%s", failure)
        return failure

    def _note(self, failure: RunError | None) -> None:
        """Tell people of a failure that the result says nothing of."""
        if failure is not None and not isinstance(failure, Cancelled):
            self._observer.noticed(str(failure).removeprefix(f"'{self._job.name}': "))

    def _run(self, hook: Hook, command: Command, result: RunResult | None, check: Check) -> Ended | OSError:
        """Run one command, and log what it says."""
        facts = facts_of(hook, self._begun, result, mask=self._mask)
        name = _name(command)
        logger.info("%s hook '%s' begins", hook.value, name)
        begun_at = time.monotonic()
        try:
            ended = run_command(
                command,
                directory=self._hooks.directory,
                environment=environment_of(self._hooks, facts, os.environ),
                told=facts.object,
                timeout_seconds=self._hooks.timeout_seconds,
                check=check,
            )
        except OSError as error:
            return error
        _log_output(hook, name, ended)
        seconds = time.monotonic() - begun_at
        logger.info("%s hook '%s' ended with %d after %.1f s", hook.value, name, ended.code, seconds)
        return ended

    def _failure(self, ended: Ended | OSError) -> str | None:
        """Say what is wrong with how a hook ended; None: nothing."""
        if isinstance(ended, OSError):
            return f"cannot be started: {in_words(ended)}"
        if ended.timed_out:
            assert self._hooks.timeout_seconds is not None
            limit = written_seconds(self._hooks.timeout_seconds)
            return f"did not end within {limit} and was killed ('timeout' of 'hooks')"
        if ended.code == 0:
            return None
        if ended.code < 0:
            return f"was ended by signal {-ended.code}"
        return f"exited with {ended.code}{_last_words(ended)}"

    def _check_last(self) -> None:
        """Let a hook that undoes something go on after a signal, but not for ever."""
        try:
            self._deadline.check_signal()
        except Cancelled:
            now = time.monotonic()
            self._signalled_at = now if self._signalled_at is None else self._signalled_at
            if now - self._signalled_at > _FINAL_SECONDS:
                raise


def _spoiled(result: RunResult, failure: RunError) -> RunResult:
    """Give the result of a run that came to its end, but not so a hook after it."""
    signalled = isinstance(failure, Cancelled)
    did = "did all" if result.outcome is Outcome.SUCCEEDED else "gave up paths"
    return replace(
        result,
        outcome=Outcome.CANCELLED if signalled else Outcome.FAILED,
        error=f"{failure}; the run itself {did}",
        signal_number=failure.signal_number if isinstance(failure, Cancelled) else None,
        finished_at=datetime.datetime.now(datetime.UTC),
    )


def _name(command: Command) -> str:
    return escaped(command[0])


def _log_output(hook: Hook, name: str, ended: Ended) -> None:
    level = logging.INFO if ended.code == 0 and not ended.timed_out else logging.WARNING
    for line in ended.output.splitlines():
        logger.log(level, "%s hook '%s': %s", hook.value, name, _text(line))
    if ended.dropped_bytes:
        logger.log(level, "%s hook '%s': … and %d bytes more", hook.value, name, ended.dropped_bytes)


def _last_words(ended: Ended) -> str:
    """Quote the last line that a hook wrote, which mostly says why it failed."""
    lines = [line for line in ended.output.splitlines() if line.strip()]
    return f" ('{_text(lines[-1].strip())[:_LONGEST_WORDS]}')" if lines else ""


def _text(line: bytes) -> str:
    return escaped(line.decode("utf-8", "surrogateescape"))
