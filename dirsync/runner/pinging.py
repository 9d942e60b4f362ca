"""Calls of dead-man services: each in a thread beside the runs, which it never delays or fails."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import dirsync
from dirsync.config.pings import address_of
from dirsync.model.job import Job, Ping
from dirsync.model.result import Outcome, RunResult
from dirsync.model.stop import Stop
from dirsync.runner.context import FOR_PEOPLE, running, set_run_id

if TYPE_CHECKING:  # all of it loads much, and few jobs ping
    from http.client import HTTPMessage
    from typing import IO
    from urllib.request import OpenerDirector, Request

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0  # of one attempt, and of all that is waited for at the end
_PAUSES_SECONDS = (1.0, 3.0)  # before the second attempt and the third
_LOOK_SECONDS = 0.1


class Pings:
    """The calls that go on; used by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._going_on: dict[str, threading.Thread] = {}  # by the job's name

    def after(self, job: Job, result: RunResult) -> None:
        """Begin the call that a run of a job leads to, if it leads to one; one of a job at a time."""
        if job.ping is None or result.dry_run or result.outcome is not Outcome.SUCCEEDED:
            return
        with self._lock:
            known = self._going_on.get(job.name)
            if known is not None and known.is_alive():
                return
            thread = threading.Thread(
                target=_call, args=(job.ping, result), name=f"ping {job.name}", daemon=True
            )
            self._going_on[job.name] = thread
            thread.start()

    def wait(self, stop: Stop) -> None:
        """Wait for the calls that go on, but not for long, nor past a request to stop."""
        ends_at = time.monotonic() + TIMEOUT_SECONDS
        for name, thread in self._going_on.items():
            while thread.is_alive() and time.monotonic() < ends_at and not stop.requested():
                thread.join(_LOOK_SECONDS)
            if thread.is_alive():
                with running(name):
                    logger.warning("the dead-man service has not answered yet", extra=FOR_PEOPLE)


def _call(ping: Ping, result: RunResult) -> None:
    """Call a service, as often as need be; the top of a thread."""
    with running(result.job):
        set_run_id(result.run_id)
        try:
            why = _failure(ping)
        except Exception as error:  # whose text may hold the URL
            why = type(error).__name__
        if why is not None:
            address = address_of(ping.url)
            logger.warning("dead-man service %s was not reached: %s", address, why, extra=FOR_PEOPLE)


def _failure(ping: Ping) -> str | None:
    """Call a service until it answers; say why it did not in the end, or None: it did."""
    opener = _opener()
    why = _attempt(opener, ping.url)
    for pause in _PAUSES_SECONDS:
        if why is None:
            break
        time.sleep(pause)
        why = _attempt(opener, ping.url)
    return why


def _attempt(opener: OpenerDirector, url: str) -> str | None:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request

    request = Request(url, headers={"User-Agent": f"dirsync/{dirsync.__version__}"})
    try:
        opener.open(request, timeout=TIMEOUT_SECONDS).close()
    except HTTPError as error:
        error.close()
        return f"it answered with {error.code}"
    except URLError as error:
        return _in_words(error.reason)
    except (OSError, HTTPException) as error:
        return _in_words(error)
    return None


def _in_words(error: BaseException | str) -> str:
    match error:
        case str():
            return error
        case OSError():
            return error.strerror or str(error) or type(error).__name__
        case _:
            return type(error).__name__  # its text may hold the URL


def _opener() -> OpenerDirector:
    """Make what opens http and https, by the proxies of the environment, and nothing else."""
    import urllib.request as library

    class Redirects(library.HTTPRedirectHandler):
        """Follows redirects, but not from https to what anybody can read."""

        def redirect_request(
            self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
        ) -> Request | None:
            """Make the request that a redirect leads to; None: the redirect is the answer."""
            if req.type == "https" and not newurl.lower().startswith("https:"):
                return None
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = library.OpenerDirector()
    for handler in (
        library.ProxyHandler(),
        library.UnknownHandler(),
        library.HTTPHandler(),
        library.HTTPSHandler(),
        library.HTTPDefaultErrorHandler(),
        Redirects(),
        library.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
