"""JSON posted to a URL; neither the URL's path nor a header is ever repeated."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from email.message import Message
from typing import IO
from urllib.parse import unquote, urlsplit

import dirsync
from dirsync.errors import NotDelivered
from dirsync.model.notifier import WebhookNotifier
from dirsync.notify.letter import Letter
from dirsync.notify.words import printable

_TIMEOUT_SECONDS = 20.0  # of each step
_REPEATED = frozenset({307, 308})  # redirections that keep the method and what is posted
_REDIRECTED = range(300, 400)
_TRANSIENT = frozenset({408, 425, 429})
_FIRST_SERVER_FAULT = 500
_NO_MARKUP = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}  # all of it stands in strings


def send_to_webhook(notifier: WebhookNotifier, letter: Letter) -> None:
    """Post a letter as JSON.

    Raises:
        NotDelivered: it was not taken.
    """
    url, login = _without_login(notifier.url.value)
    where = f"'{notifier.name}': {_place(url)}"
    request = urllib.request.Request(
        url,
        data=json.dumps(letter.fields).translate(_NO_MARKUP).encode(),
        headers={
            "Content-Type": "application/json",
            "User-Agent": f"dirsync/{dirsync.__version__}",
            **login,
            **{name: value.value for name, value in notifier.headers},
        },
        method="POST",
    )
    opener = urllib.request.build_opener(_SameServer)
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS):
            return
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(where, error) from error
    except urllib.error.URLError as error:
        raise _unreached(where, error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreached(where, error) from error
    except UnicodeError as error:  # a label of more than 63 characters
        raise NotDelivered(f"{where} cannot be reached: that is no host", is_transient=False) from error


class _SameServer(urllib.request.HTTPRedirectHandler):
    """Goes where the very server sends it, in the same protocol, and nowhere else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Give the request to make instead; None: the redirection counts as an answer."""
        if code not in _REPEATED or urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            return None
        return urllib.request.Request(newurl, data=req.data, headers=dict(req.header_items()), method="POST")


def _refused(where: str, error: urllib.error.HTTPError) -> NotDelivered:
    reason = printable(f"{error.code} {error.reason}".strip())
    if error.code in _REDIRECTED:
        text = f"{where} sends elsewhere ({reason}), which is not followed; write the other URL"
        return NotDelivered(text, is_transient=False)
    is_transient = error.code in _TRANSIENT or error.code >= _FIRST_SERVER_FAULT
    return NotDelivered(f"{where} refused the message: {reason}", is_transient=is_transient)


def _unreached(where: str, reason: object) -> NotDelivered:
    if isinstance(reason, ssl.SSLCertVerificationError):
        text = f"{where} cannot prove who it is: {reason.verify_message}"
        return NotDelivered(text, is_transient=False)
    told = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    text = f"{where} cannot be reached: {printable(told or type(reason).__name__)}"
    return NotDelivered(text, is_transient=True)


def _without_login(url: str) -> tuple[str, dict[str, str]]:
    """Take user and password out of a URL; give the header that stands for them."""
    parts = urlsplit(url)
    user_info, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    user, _, password = user_info.partition(":")
    login = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return parts._replace(netloc=place).geturl(), {"Authorization": f"Basic {login}"}


def _place(url: str) -> str:
    """Name the server of a URL, without what may be a password in it."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"
