"""Which jobs the command line asks for."""

from __future__ import annotations

import pytest

from dirsync.cli.selection import selected_jobs
from dirsync.errors import ConfigError
from dirsync.model.job import MirrorJob
from dirsync.model.place import LocalPlace


def job(name: str, *, enabled: bool = True) -> MirrorJob:
    return MirrorJob(
        name=name, source=LocalPlace(path=b"/s"), destination=LocalPlace(path=b"/d"), enabled=enabled
    )


JOBS = (
    job("photos"),
    job("music"),
    job("photos-raw"),
    job("old", enabled=False),
    job("older", enabled=False),
)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ([], ["photos", "music", "photos-raw"]),
        (["music"], ["music"]),
        (["photos-raw", "photos"], ["photos", "photos-raw"]),
        (["photos*"], ["photos", "photos-raw"]),
        (["*"], ["photos", "music", "photos-raw"]),
        (["old"], ["old"]),
        (["m?sic", "old"], ["music", "old"]),
    ],
)
def test_jobs_asked_for_come_in_the_order_of_the_file(patterns: list[str], names: list[str]) -> None:
    assert [job.name for job in selected_jobs(JOBS, patterns)] == names


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("foto", "no job 'foto'; did you mean 'photos'?"),
        ("zzz", "no job 'zzz'; the jobs are photos, music, photos-raw, old, older"),
        ("x*", "no job 'x*'"),
        ("ol*", "'ol*' matches disabled jobs only; name one in full to run it"),
    ],
)
def test_pattern_that_matches_no_job_is_an_error(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        selected_jobs(JOBS, ["music", pattern])

    assert message in str(error.value)
