"""hooks, stale_after and ping_url, as jobs.yaml has them."""

# ruff: noqa: E501 (one case a line)

from __future__ import annotations

from pathlib import Path

import pytest

from dirsync.config.showing import effective_yaml
from dirsync.model.job import Hooks
from tests.declared import declared, job_with, problems_of, problems_with

TOKEN = "8d0f0c7a-5b3e"


def test_hooks_are_lists_of_programs_and_arguments(tmp_path: Path) -> None:
    keys = """\
        hooks:
          before: [[systemctl, stop, db], ["/usr/bin/mount", "/mnt"]]
          finally: [[umount, /mnt]]
          timeout: 90s
        """

    assert job_with(tmp_path, keys).hooks == Hooks(
        before=(("systemctl", "stop", "db"), ("/usr/bin/mount", "/mnt")),
        finally_=(("umount", "/mnt"),),
        timeout_seconds=90,
        directory=str(tmp_path),
    )


@pytest.mark.parametrize("keys", ["hooks:", "hooks: {}", "hooks: {timeout: 5s}", "hooks: {before: []}"])
def test_job_without_a_command_has_no_hooks(tmp_path: Path, keys: str) -> None:
    assert job_with(tmp_path, keys).hooks is None


def test_hook_takes_an_hour_at_most_unless_it_is_said(tmp_path: Path) -> None:
    def limit(more: str) -> float | None:
        hooks = job_with(tmp_path, f"hooks: {{after: [[x]]{more}}}").hooks
        assert hooks is not None
        return hooks.timeout_seconds

    assert limit("") == 3600
    assert limit(", timeout: none") is None


def test_hooks_run_beside_the_main_file_and_without_variables_of_secrets(tmp_path: Path) -> None:
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "jobs.d" / "a.yaml").write_text(
        "jobs: {a: {source: s, destination: d, hooks: {after: [[x]]}}}"
    )
    text = "{version: 1, include: [jobs.d/*.yaml], secrets: {one: {environment: ONE}, two: {file: t}}}"
    hooks = declared(tmp_path, text).jobs[0].hooks

    assert hooks is not None
    assert (hooks.directory, hooks.withheld) == (str(tmp_path), frozenset({"ONE"}))


def test_hooks_are_inherited_list_by_list_and_appended_to(tmp_path: Path) -> None:
    text = """\
        version: 1
        defaults: {hooks: {before: [[one]], finally: [[last]]}}
        jobs:
          a: {source: s, destination: d, hooks: {before+: [[two]], finally: [[own]]}}
        """
    hooks = declared(tmp_path, text).jobs[0].hooks

    assert hooks is not None
    assert (hooks.before, hooks.finally_) == ((("one",), ("two",)), (("own",),))


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("hooks: mount", "hooks: expected a mapping, not 'mount'; write 'key: value' lines"),
        ("hooks: {before: mount}", "hooks.before: expected a list, not 'mount'; write it in brackets, or one '- …' a line"),
        ("hooks: {before: [mount /mnt]}", "hooks.before[0]: expected a list, not 'mount /mnt'; write it in brackets, or one '- …' a line"),
        ("hooks: {after: [[a], []]}", "hooks.after[1]: names no program; write one, as [systemctl, stop, db]"),
        ("hooks: {finally: [['', x]]}", "hooks.finally[0]: names no program; write one, as [systemctl, stop, db]"),
        ("hooks: {on_error: [[kill, 9]]}", 'hooks.on_error[0][1]: expected text, not the number 9; put it in quotes: "9"'),
        ("hooks: {before: [[a, [b]]]}", "hooks.before[0][1]: expected text, not a list"),
        ("hooks: {befor: [[a]]}", "hooks.befor: unknown key; did you mean 'before'?"),
        ("hooks: {timeout: 0s}", "hooks.timeout: '0s' is zero; write at least 1s"),
        ("stale_after: soon", "stale_after: 'soon' is not a duration; write a number with ms, s, m, h, d or w, as 30s or 1h30m"),
        ("ping_url: ftp://h/x", "ping_url: is no address that can be called; write 'https://host/path'"),
        ("ping_url: https:///x", "ping_url: is no address that can be called; write 'https://host/path'"),
        ("ping_url: 'https://h/a b'", "ping_url: is no address that can be called; write 'https://host/path'"),
        ("ping_url: 'https://h:99999/'", "ping_url: is no address that can be called; write 'https://host/path'"),
        ("ping_url: https://u:p@h/x", "ping_url: is a user or a password, which is not supported; put the token in the path"),
        ("ping_url: {}", "ping_url: is one address; write either a URL or '{secret: NAME}'"),
        ("ping_url: {secret: hc}", "ping_url: there is no secret 'hc'; declare it under 'secrets'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, keys: str, line: str) -> None:
    assert problems_with(tmp_path, keys) == [f"jobs.yaml:6: jobs.a.{line}"]


def test_stale_after_is_a_duration_or_none(tmp_path: Path) -> None:
    assert job_with(tmp_path, "stale_after: 2d").stale_after_seconds == 172_800
    assert job_with(tmp_path, "stale_after: none").stale_after_seconds is None
    assert job_with(tmp_path, "").stale_after_seconds is None


def test_ping_url_is_taken_from_a_secret_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HC", f"https://hc.lan/{TOKEN}")
    text = """\
        version: 1
        secrets: {hc: {environment: HC}}
        defaults: {ping_url: "https://other.lan/elsewhere"}
        jobs: {a: {source: s, destination: d, ping_url: {secret: hc}}}
        """
    job = declared(tmp_path, text).jobs[0]

    assert job.ping is not None
    assert job.ping.url == f"https://hc.lan/{TOKEN}"
    assert TOKEN not in repr(job)
    assert "ping_url: {secret: hc}" in effective_yaml(str(tmp_path / "jobs.yaml"))


def test_ping_url_that_is_written_out_is_shown_without_its_path(tmp_path: Path) -> None:
    text = f"""\
        version: 1
        jobs: {{a: {{source: s, destination: d, ping_url: "https://hc.lan/{TOKEN}?x"}}}}
        """
    mask = declared(tmp_path, text).mask
    shown = effective_yaml(str(tmp_path / "jobs.yaml"))

    assert TOKEN not in shown
    assert "ping_url: https://hc.lan/***" in shown
    assert TOKEN not in mask(f"GET /{TOKEN}?x of https://hc.lan/{TOKEN}?x")


def test_problem_of_a_ping_url_does_not_tell_its_token(tmp_path: Path) -> None:
    text = f'{{version: 1, jobs: {{a: {{source: s, destination: d, ping_url: "htps://hc.lan/{TOKEN}"}}}}}}'

    assert problems_of(tmp_path, text) == [
        "jobs.yaml:1: jobs.a.ping_url: is no address that can be called; write 'https://host/path'"
    ]


def test_secrets_in_commands_are_masked_when_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "hush-hush")
    text = """\
        version: 1
        secrets: {pw: {environment: PW}}
        jobs: {a: {source: s, destination: d, hooks: {after: [[tell, "--password=${PW}"]]}}}
        """
    declared(tmp_path, text)
    shown = effective_yaml(str(tmp_path / "jobs.yaml"))

    assert "hush-hush" not in shown
    assert "--password=***" in shown
