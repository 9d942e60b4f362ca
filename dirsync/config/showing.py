"""The effective configuration as YAML: what each job comes to, written out.

Every default, profile, append and variable is put in, so what is shown stands alone;
it loads again to the same jobs. Secrets are masked, and a secret is shown by where it
is kept. A notifier's URL and headers that the file holds itself are masked too.
"""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import yaml

from dirsync.config.configuration import Configuration, SecretReference
from dirsync.config.counted import Counted
from dirsync.config.endpoints import Endpoint
from dirsync.config.loading import load
from dirsync.config.mask import MASKED, Mask
from dirsync.config.nodes import Origin, ScalarNode, TextFile
from dirsync.config.pings import shown_ping
from dirsync.config.scalars import Kind, kind_of, plain_number, written_seconds
from dirsync.model.job import (
    Compare,
    Digest,
    Guard,
    Hooks,
    Job,
    Limit,
    Preserve,
    Rule,
    TrackJob,
    TwoTrees,
    Versions,
)
from dirsync.model.notifier import (
    AppriseNotifier,
    Notifier,
    NotifierType,
    Notify,
    Occasion,
    Secret,
    SesNotifier,
    SmtpNotifier,
    WebhookNotifier,
)
from dirsync.model.place import FarPlace, Place
from dirsync.model.serving import Share
from dirsync.model.timing import Schedule, Start

_NOWHERE = Origin(TextFile("", "/"), 0)


def effective_yaml(file: str) -> str:
    """Write what a file comes to, as YAML that loads again to the same jobs.

    Raises:
        ConfigError: the file is wrong.
    """
    configuration = load(file)
    text = yaml.dump(
        _document(configuration),
        Dumper=_Writer,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=1 << 20,
    )
    return text.encode("utf-8", "backslashreplace").decode()


class _Writer(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 would read as something else; repeats rather than aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def _represent_text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if kind_of(ScalarNode(text, _NOWHERE)) is Kind.TEXT else '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _represent_text)


def _document(configuration: Configuration) -> dict[str, Any]:
    mask = configuration.mask
    secrets = {secret.name: _secret(secret) for secret in configuration.secrets}
    return {
        "version": 1,
        "state": _text(configuration.state, mask),
        **({"secrets": secrets} if secrets else {}),
        "catalog": _catalog(configuration),
        **_who_is_told(configuration),
        **_far(configuration),
        "jobs": {job.name: _masked(_job(job), mask) for job in configuration.jobs},
    }


def _far(configuration: Configuration) -> dict[str, Any]:
    """Write the endpoints, and what this machine serves."""
    mask, serving = configuration.mask, configuration.serving
    written: dict[str, Any] = {}
    if configuration.endpoints:
        written["endpoints"] = {each.name: _endpoint(each) for each in configuration.endpoints}
    if serving is not None:
        tls = (
            {} if serving.certificate is None else {"tls": {"cert": serving.certificate, "key": serving.key}}
        )
        host = f"[{serving.host}]" if ":" in serving.host else serving.host
        written["serve"] = {
            "listen": f"{host}:{serving.port}",
            **tls,
            "insecure": serving.insecure,
            "shares": {share.name: _share(share) for share in serving.shares},
        }
    masked: dict[str, Any] = _masked(written, mask)
    return masked


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    url = endpoint.place(endpoint.url.beneath)
    written = {
        "url": url.url,
        "token": None if endpoint.token_secret is None else {"secret": endpoint.token_secret},
        "ca": endpoint.ca,
        "fingerprint": None if endpoint.fingerprint is None else f"sha256:{endpoint.fingerprint}",
        "insecure": endpoint.insecure,
    }
    return {key: value for key, value in written.items() if value is not None}


def _share(share: Share) -> dict[str, Any]:
    return {
        "path": os.fsdecode(share.path),
        "access": share.access.value,
        "tokens": [dict(token) for token in share.tokens],
    }


def _place(place: Place) -> str:
    return place.url if isinstance(place, FarPlace) else str(place)


def _catalog(configuration: Configuration) -> dict[str, str]:
    place, secret = configuration.catalog, configuration.catalog_secret
    if place is None:
        return {}
    address = {"url": place.url} if secret is None else {"secret": secret}
    return {key: _text(text, configuration.mask) for key, text in {**address, "key": place.key_file}.items()}


def _who_is_told(configuration: Configuration) -> dict[str, Any]:
    notifiers = {name: _notifier(each) for name, each in configuration.notifiers.items()}
    report = {} if configuration.report is None else {"report": _report(configuration.report)}
    told = {**({"notifiers": notifiers} if notifiers else {}), **report}
    return {key: _masked(value, configuration.mask) for key, value in told.items()}


def _notifier(notifier: Notifier) -> dict[str, Any]:
    match notifier:
        case SmtpNotifier():
            keys: dict[str, Any] = {
                "type": NotifierType.SMTP.value,
                "host": notifier.host,
                "port": notifier.port,
                "from": notifier.sender,
                "to": list(notifier.to),
                "user": notifier.user,
                "password": None if notifier.password is None else _hidden(notifier.password),
                "security": notifier.security.value,
                "ca": notifier.ca,
            }
        case SesNotifier():
            keys = {
                "type": NotifierType.SES.value,
                "from": notifier.sender,
                "to": list(notifier.to),
                "region": notifier.region,
                "endpoint_url": notifier.endpoint_url,
            }
        case WebhookNotifier():
            headers = {name: _hidden(value) for name, value in notifier.headers}
            keys = {
                "type": NotifierType.WEBHOOK.value,
                "url": _hidden(notifier.url),
                "headers": headers or None,
            }
        case AppriseNotifier():
            keys = {"type": NotifierType.APPRISE.value, "url": _hidden(notifier.url)}
    return {key: value for key, value in keys.items() if value is not None}


def _hidden(secret: Secret) -> str | dict[str, str]:
    """Write where a secret is kept; of one that the file itself holds nothing but a URL's scheme."""
    if secret.name is not None:
        return {"secret": secret.name}
    scheme, separator, _ = secret.value.partition("://")
    return f"{scheme}://{MASKED}" if separator else MASKED


def _secret(secret: SecretReference) -> dict[str, str]:
    return {"file": secret.file} if secret.file is not None else {"environment": secret.environment or ""}


def _masked(value: Any, mask: Mask) -> Any:
    """Mask and escape every text of a value."""
    match value:
        case dict():
            return {key: _masked(item, mask) for key, item in value.items()}
        case list():
            return [_masked(item, mask) for item in value]
        case str():
            return _text(value, mask)
        case _:
            return value


def _text(text: str, mask: Mask) -> str:
    return mask(text).replace("$", "$$")


def _job(job: Job) -> dict[str, Any]:
    """Write every key of a job, in the manual's order."""
    match job:
        case TwoTrees():
            return (
                _of_every_job(job, destination=_place(job.destination)) | _of_mirrors(job) | _how_it_runs(job)
            )
        case TrackJob():
            return _of_every_job(job) | _of_tracks(job) | _how_it_runs(job)
        case _:
            raise AssertionError(job)


def _of_every_job(job: Job, **places: str) -> dict[str, Any]:
    return {
        "type": job.type.value,
        "source": _place(job.source),
        **places,
        "enabled": job.enabled,
        **({} if job.schedule is None else {"schedule": _schedule(job.schedule)}),
        "watch": job.watch,
        "include": [os.fsdecode(line.text) for line in job.include],
        "exclude": [os.fsdecode(line.text) for line in job.exclude],
        "ignore_files": [os.fsdecode(name) for name in job.ignore_files],
        "one_file_system": job.one_file_system,
        "compare": {
            "by": [item.value for item in Compare if item in job.comparison.by],
            "modify_window": _seconds_of(job.comparison.modify_window_ns),
            "hash": job.comparison.algorithm.value,
        },
        "symlinks": job.symlinks.value,
        "guard": _guard(job.guard),
    }


def _of_tracks(job: TrackJob) -> dict[str, Any]:
    fingerprint = job.fingerprint
    budget = "none" if fingerprint.budget_bytes is None else fingerprint.budget_bytes
    return {
        "moves": job.moves,
        "fingerprint": {"refresh": _duration(fingerprint.refresh_seconds), "budget": budget},
        "rules": [_rule(rule) for rule in job.rules],
        "keep": _duration(job.keep_seconds),
    }


def _rule(rule: Rule) -> dict[str, Any]:
    counted = [item.value for item in Compare if item in rule.attributes]
    return {
        "path": os.fsdecode(rule.pattern.text),
        "attributes": counted + ([Counted.GROWING.value] if rule.growing else []),
        "severity": rule.severity.value,
    }


def _duration(seconds: float | None) -> str:
    return "none" if seconds is None else written_seconds(seconds)


def _of_mirrors(job: TwoTrees) -> dict[str, Any]:
    return {
        "preserve": [item.value for item in Preserve if item in job.preserve],
        "delete": job.delete.value,
        "delete_excluded": job.delete_excluded,
        "versions": _versions(job.versions),
        "moves": job.moves,
        "durability": job.durability.value,
        "verify": job.verify.value,
        "retries": {"attempts": job.retries.attempts, "wait": written_seconds(job.retries.wait_seconds)},
    }


def _how_it_runs(job: Job) -> dict[str, Any]:
    return {
        "on_error": job.on_error.value,
        "timeout": _duration(job.timeout_seconds),
        "bandwidth": "none" if job.bandwidth is None else job.bandwidth,
        "workers": "auto" if job.workers is None else job.workers,
        "engine": "local",
        "stale_after": _duration(job.stale_after_seconds),
        **({} if job.ping is None else {"ping_url": shown_ping(job.ping)}),
        **({} if job.hooks is None else {"hooks": _hooks(job.hooks)}),
        "log": {key: value for key, value in (("level", job.log.level), ("file", job.log.file)) if value},
        "notify": [_notify(notify) for notify in job.notify],
        **({} if job.report is None else {"report": _report(job.report)}),
    }


def _notify(notify: Notify) -> dict[str, Any]:
    return {"to": notify.to, "on": [each.value for each in Occasion if each in notify.on]}


def _hooks(hooks: Hooks) -> dict[str, Any]:
    commands = {
        "before": hooks.before,
        "after": hooks.after,
        "on_error": hooks.on_error,
        "finally": hooks.finally_,
    }
    return {
        **{key: [list(command) for command in each] for key, each in commands.items()},
        "timeout": _duration(hooks.timeout_seconds),
    }


def _report(report: Digest) -> dict[str, Any]:
    to = [*report.files, *report.notifiers]
    return {
        "schedule": _schedule(report.schedule),
        "to": to[0] if len(to) == 1 else to,
        "format": report.format.value,
        "since": written_seconds(report.since_seconds),
    }


def _seconds_of(nanoseconds: int) -> str:
    return f"{Decimal(nanoseconds).scaleb(-9).normalize():f}s"


def _versions(versions: Versions) -> dict[str, Any]:
    count = {} if versions.count is None else {"count": versions.count}
    return {"keep": _duration(versions.keep_seconds), **count}


def _guard(guard: Guard) -> dict[str, Any]:
    return {
        "max_delete": _limit(guard.max_delete),
        "max_change": _limit(guard.max_change),
        "min_free": _limit(guard.min_free),
        "source_not_empty": guard.source_not_empty,
        "marker": None if guard.marker is None else os.fsdecode(guard.marker),
        "mountpoint": guard.mountpoint,
        "on_trip": guard.on_trip.value,
    }


def _limit(limit: Limit | None) -> str | int | None:
    if limit is None:
        return "off"
    return limit.absolute if limit.percent is None else f"{plain_number(limit.percent)}%"


def _schedule(schedule: Schedule) -> dict[str, Any]:
    written: dict[str, Any] = {
        "every": None if schedule.every_seconds is None else written_seconds(schedule.every_seconds),
        "at": [moment.isoformat() for moment in schedule.at] or None,
        "cron": schedule.cron,
        "on": None if schedule.cron else [day.name.lower() for day in sorted(schedule.on)],
        "timezone": schedule.timezone,
        "jitter": written_seconds(schedule.jitter_seconds),
        "start": _start(schedule.start),
        "run_missed": schedule.run_missed,
        "window": None
        if schedule.window is None
        else f"{schedule.window.begin.isoformat()}-{schedule.window.end.isoformat()}",
    }
    return {key: value for key, value in written.items() if value is not None}


def _start(start: Start | float | None) -> str | None:
    match start:
        case None:
            return None
        case Start():
            return start.value
        case _:
            return written_seconds(start)
