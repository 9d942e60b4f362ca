"""What the process answers."""

from __future__ import annotations

import pytest

from dirsync.cli.exit_codes import exit_code
from dirsync.model.job import JobType
from dirsync.model.result import Counts, Outcome
from tests.results import run_result

WORST_FIRST = (Outcome.FAILED, Outcome.HELD, Outcome.PARTIAL, Outcome.SKIPPED, Outcome.SUCCEEDED)
CODES = {
    Outcome.FAILED: 5,
    Outcome.HELD: 4,
    Outcome.PARTIAL: 3,
    Outcome.SKIPPED: 75,
    Outcome.SUCCEEDED: 0,
    Outcome.CRASHED: 5,
}


@pytest.mark.parametrize(("outcome", "code"), CODES.items())
def test_each_outcome_has_its_code(outcome: Outcome, code: int) -> None:
    assert exit_code([run_result(outcome)]) == code


@pytest.mark.parametrize("worst", range(len(WORST_FIRST)))
def test_of_several_jobs_the_worst_one_answers_in_whatever_order(worst: int) -> None:
    results = [run_result(outcome) for outcome in WORST_FIRST[worst:]]

    assert exit_code(results) == exit_code(reversed(results)) == CODES[WORST_FIRST[worst]]


def test_differences_found_by_a_check_job_are_1_and_worse_than_a_skipped_job() -> None:
    differs = run_result(type=JobType.CHECK, counts=Counts(metadata=1))

    assert exit_code([differs]) == 1
    assert exit_code([run_result(Outcome.SKIPPED), differs]) == 1
    assert exit_code([run_result(Outcome.PARTIAL), differs]) == 3


def test_changes_of_a_sync_job_are_no_differences() -> None:
    assert exit_code([run_result(counts=Counts(created=3))]) == 0
    assert exit_code([run_result(counts=Counts(created=3), dry_run=True)]) == 0


def test_check_job_with_failures_and_differences_is_partial() -> None:
    assert (
        exit_code([run_result(Outcome.PARTIAL, type=JobType.CHECK, counts=Counts(created=1, failed=1))]) == 3
    )


def test_signal_wins_over_every_other_end() -> None:
    stopped = run_result(Outcome.CANCELLED, signal_number=15)

    assert exit_code([run_result(Outcome.FAILED), stopped]) == 143


def test_time_limit_is_a_failure() -> None:
    assert exit_code([run_result(Outcome.CANCELLED)]) == 5


def test_no_job_at_all_is_done() -> None:
    assert exit_code([]) == 0
