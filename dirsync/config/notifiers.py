"""Who can be told, as the file says, and whether all who are to be told can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from dirsync.config.keys import NotifierKeys, SecretNameKeys
from dirsync.config.nodes import ListNode, MappingNode, Origin, ScalarNode, is_null, locate, mapping_of
from dirsync.config.notify_fields import fault_of_url, is_header_name, is_header_value, is_web_url
from dirsync.config.overlaps import DeclaredJob
from dirsync.config.problems import Problems, did_you_mean, listed, quoted
from dirsync.config.rules import check_name
from dirsync.config.secret_values import secret_value
from dirsync.config.validation import checked
from dirsync.model.job import Digest
from dirsync.model.notifier import (
    AppriseNotifier,
    Notifier,
    NotifierType,
    Secret,
    Security,
    SesNotifier,
    SmtpNotifier,
    WebhookNotifier,
)

T = TypeVar("T")

_KEYS = {
    NotifierType.SMTP: ("host", "port", "from", "to", "user", "password", "security", "ca"),
    NotifierType.SES: ("from", "to", "region", "endpoint_url"),
    NotifierType.WEBHOOK: ("url", "headers"),
    NotifierType.APPRISE: ("url",),
}
_NEEDED = {"host": "mail.example.org", "from": "dirsync@example.org", "to": "[ops@example.org]"}
_NEEDED_URL = {NotifierType.WEBHOOK: "https://example.org/hook", NotifierType.APPRISE: "{secret: NAME}"}
_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25, Security.CLEARTEXT: 25}
_LONG_ENOUGH_TO_HIDE = 8  # characters of a header; what is shorter would be masked all over the place


def notifiers_in(main: MappingNode, problems: Problems) -> dict[str, Notifier]:
    """Give the notifiers of a file that are right, by name; what is wrong with the others is noted."""
    section = mapping_of(main.get("notifiers"))
    found: dict[str, Notifier] = {}
    for name, entry in section.named() if section else ():
        path = f"notifiers.{name}"
        check_name(entry.key, path, problems)
        if "." in name:
            text = "the name holds '.', as files' names do; choose one as 'ops'"
            problems.add(entry.key.origin, path, text)
        node = mapping_of(entry.value)
        if node is not None:
            notifier = _Reading(name, node, entry.key.origin, problems).notifier()
            if notifier is not None:
                found[name] = notifier
    return found


class _Reading:
    """Reads one notifier; faults of single values were noted before."""

    def __init__(self, name: str, node: MappingNode, origin: Origin, problems: Problems) -> None:
        self._name = name
        self._node = node
        self._path = f"notifiers.{name}"
        self._origin = origin
        self._problems = problems
        self._keys = checked(NotifierKeys, node, Problems(), path=self._path)
        self._is_right = True

    def notifier(self) -> Notifier | None:
        """Give the notifier; None: it cannot be made."""
        type_ = self._keys.type
        if type_ is None:
            if self._node.get("type") is None:
                self._note((), f"'type' is missing; write 'type: smtp', or {listed(_other_types())}")
            return None
        self._check_keys(type_)
        match type_:
            case NotifierType.SMTP:
                return self._smtp()
            case NotifierType.SES:
                return self._ses()
            case NotifierType.WEBHOOK:
                return self._webhook()
            case NotifierType.APPRISE:
                return self._apprise()

    def _check_keys(self, type_: NotifierType) -> None:
        """Check that the keys are those of the type, and that none is missing."""
        for name, entry in self._node.entries.items():
            is_known = name in NotifierKeys.by_name and name != "type"
            if is_known and name not in _KEYS[type_] and not is_null(entry.value):
                text = f"is nothing {_article(type_)} notifier has; remove it"
                self._problems.add(entry.key.origin, f"{self._path}.{name}", text)
        needed = {**_NEEDED, **({"url": _NEEDED_URL[type_]} if type_ in _NEEDED_URL else {})}
        for name, example in needed.items():
            if name in _KEYS[type_] and self._node.get(name) is None:
                self._note((), f"'{name}' is missing; write '{name}: {example}'")
        if self._keys.to == ():
            self._note(("to",), "names nobody; write an address")

    def _smtp(self) -> SmtpNotifier | None:
        keys = self._keys
        password = self._secret(("password",), keys.password)
        security = keys.security or Security.STARTTLS
        if keys.host is not None and security is Security.NONE and not _is_loopback(keys.host):
            text = (
                f"would send mail to {quoted(keys.host)} unprotected; write starttls or tls, or cleartext "
                "if that is meant"
            )
            self._note(("security",), text)
        if keys.user is not None and self._node.get("password") is None:
            self._note(("user",), "logs in without a password; write 'password: {secret: NAME}'")
        if keys.host is None or keys.sender is None or not keys.to or not self._is_right:
            return None
        return SmtpNotifier(
            name=self._name,
            host=keys.host,
            port=keys.port or _PORTS[security],
            sender=keys.sender,
            to=keys.to,
            security=security,
            user=None if password is None else keys.user or _bare(keys.sender),
            password=password,
            ca=keys.ca,
        )

    def _ses(self) -> SesNotifier | None:
        keys = self._keys
        if keys.sender is None or not keys.to or not self._is_right:
            return None
        return SesNotifier(
            name=self._name,
            sender=keys.sender,
            to=keys.to,
            region=keys.region,
            endpoint_url=keys.endpoint_url,
        )

    def _webhook(self) -> WebhookNotifier | None:
        url = self._url()
        if url is not None and not is_web_url(url.value):
            self._note(("url",), "is no URL of a web server; write one that begins with https://")
        headers = tuple(self._headers())
        if url is None or not self._is_right:
            return None
        return WebhookNotifier(name=self._name, url=url, headers=headers)

    def _apprise(self) -> AppriseNotifier | None:
        url = self._url()
        return None if url is None or not self._is_right else AppriseNotifier(name=self._name, url=url)

    def _url(self) -> Secret | None:
        url = self._secret(("url",), self._keys.url)
        fault = None if url is None or url.name is None else fault_of_url(url.value)
        if fault:
            self._note(("url",), f"what the secret holds {fault}; give it the URL")
        return None if fault else url

    def _headers(self) -> Iterator[tuple[str, Secret]]:
        for name, written in (self._keys.headers or {}).items():
            value = self._secret(("headers", name), written)
            if not is_header_name(name):
                self._note(("headers", name), "is no name of a header; write one, as Authorization")
            elif value is not None and not is_header_value(value.value):
                self._note(("headers", name), "what the secret holds is no header; give it printable ASCII")
            elif value is not None:
                yield name, value

    def _secret(self, steps: tuple[str, ...], written: str | SecretNameKeys | None) -> Secret | None:
        if written is None or isinstance(written, str):
            return None if written is None else Secret(written)
        if written.secret is None:
            self._note(steps, "says not which secret; write {secret: NAME}")
            return None
        try:
            value = secret_value(written.secret, self._problems.secrets, what="a value")
        except ValueError as error:
            self._note(steps, str(error))
            return None
        return Secret(value, written.secret)

    def _note(self, steps: tuple[str, ...], text: str) -> None:
        self._is_right = False
        spot = locate(self._node, steps, path=self._path, origin=self._origin)
        self._problems.add(spot.origin, spot.path, text)


def check_notified(
    jobs: Iterable[DeclaredJob], report: Digest | None, main: MappingNode, problems: Problems
) -> None:
    """Check that all who are to be told are declared."""
    known = [name for name, _ in (mapping_of(main.get("notifiers")) or MappingNode({}, main.origin)).named()]
    for each in jobs:
        for position, name in enumerate(_told(each.node)):
            if name is not None:
                _check_known(name, known, each.node, ("notify", position, "to"), problems, each.path)
        _check_recipients(each.job.report, known, each.node, problems, each.path)
    _check_recipients(report, known, main, problems, "")


def _told(node: MappingNode) -> list[str | None]:
    """Give the names of a job's `notify`, in its order; None: what is there is no name."""
    notify = node.get("notify")
    items = [mapping_of(item) for item in notify.items] if isinstance(notify, ListNode) else []
    names = [None if item is None else item.get("to") for item in items]
    return [name.text if isinstance(name, ScalarNode) and not name.broken else None for name in names]


def _check_recipients(
    report: Digest | None, known: list[str], node: MappingNode, problems: Problems, path: str
) -> None:
    to = locate(node, ("report", "to"), path=path, origin=node.origin).node
    items = to.items if isinstance(to, ListNode) else ()
    texts = [item.text if isinstance(item, ScalarNode) else "" for item in items]
    for name in report.notifiers if report is not None else ():
        steps = (texts.index(name),) if name in texts else ()
        _check_known(name, known, node, ("report", "to", *steps), problems, path)


def _check_known(
    name: str,
    known: list[str],
    node: MappingNode,
    steps: tuple[str | int, ...],
    problems: Problems,
    path: str,
) -> None:
    if name in known:
        return
    near = did_you_mean(name, known) or f"; {_as_declared(known)}"
    if steps[0] == "report":
        near += f"; for a file, write './{name}'"
    spot = locate(node, steps, path=path, origin=node.origin)
    problems.add(spot.origin, spot.path, f"there is no notifier {quoted(name)}{near}")


def _as_declared(known: list[str]) -> str:
    return f"write {listed(known)}" if known else "declare it under 'notifiers'"


def hidden_in(notifiers: Mapping[str, Notifier]) -> list[str]:
    """List what of notifiers must never be shown, besides the secrets they name."""
    hidden: list[str] = []
    for notifier in notifiers.values():
        if isinstance(notifier, WebhookNotifier | AppriseNotifier):
            hidden += [notifier.url.value, *_confidential_parts(notifier)]
        if isinstance(notifier, WebhookNotifier):
            values = [value.value for _, value in notifier.headers]
            hidden += [value for value in values if len(value) >= _LONG_ENOUGH_TO_HIDE]
    return hidden


def _confidential_parts(notifier: WebhookNotifier | AppriseNotifier) -> list[str]:
    """Give what of a URL comes after its host: the path of a chat service's hook is its password."""
    rest = notifier.url.value.partition("://")[2]
    tail = rest.partition("/")[2]
    user, at, _ = rest.partition("/")[0].rpartition("@")
    parts = (rest,) if isinstance(notifier, AppriseNotifier) else (tail, user if at else "")
    return [part for part in parts if len(part) >= _LONG_ENOUGH_TO_HIDE]


def _is_loopback(host: str) -> bool:
    import ipaddress  # few files have notifiers

    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bare(address: str) -> str:
    from email.utils import parseaddr  # loads much, and few files have notifiers

    return parseaddr(address)[1]


def _article(type_: NotifierType) -> str:
    return f"{'a' if type_ is NotifierType.WEBHOOK else 'an'} {type_.value}"


def _other_types() -> list[str]:
    return [each.value for each in NotifierType if each is not NotifierType.SMTP]
