"""The effective configuration as YAML: what each job comes to, written out.

Every default, profile, append and variable is put in, so what is shown stands alone;
it loads again to the same jobs. Secrets are masked, and a secret is shown by where it
is kept. A notifier's URL and headers that the file holds itself are masked too.
"""

from __future__ import annotations

import os
from typing import Any

import yaml

from dirsync.config.configuration import Configuration, SecretReference
from dirsync.config.endpoints import Endpoint
from dirsync.config.loading import load
from dirsync.config.mask import MASKED, Mask
from dirsync.config.nodes import Origin, ScalarNode, TextFile
from dirsync.config.scalars import Kind, kind_of
from dirsync.config.shown_jobs import shown_job, shown_report
from dirsync.model.notifier import (
    AppriseNotifier,
    Notifier,
    NotifierType,
    Secret,
    SesNotifier,
    SmtpNotifier,
    WebhookNotifier,
)
from dirsync.model.serving import Share

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
        "jobs": {job.name: _masked(shown_job(job), mask) for job in configuration.jobs},
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


def _catalog(configuration: Configuration) -> dict[str, str]:
    place, secret = configuration.catalog, configuration.catalog_secret
    if place is None:
        return {}
    address = {"url": place.url} if secret is None else {"secret": secret}
    return {key: _text(text, configuration.mask) for key, text in {**address, "key": place.key_file}.items()}


def _who_is_told(configuration: Configuration) -> dict[str, Any]:
    notifiers = {name: _notifier(each) for name, each in configuration.notifiers.items()}
    report = {} if configuration.report is None else {"report": shown_report(configuration.report)}
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
