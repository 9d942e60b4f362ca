"""The agent's HTTP interface: what a request may do, and how its answer streams.

    GET  /health                          anybody: that it is there
    POST /v1/shares/<share>/ask           a question, answered by a stream of frames
    POST /v1/shares/<share>/runs          an order, answered by what the run tells
    POST /v1/runs/<run>/events            the same stream again, from a number on
    POST /v1/runs/<run>/answers/<number>  the answer to what a run asked
    POST /v1/runs/<run>/heard/<number>    everything up to here has arrived
    POST /v1/runs/<run>/stop              end the run, in order

Who sends no valid token learns nothing but 401.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dirsync.agent.runs import carry_out
from dirsync.agent.sessions import Body, Session, Sessions
from dirsync.agent.tokens import bearer_token, shares_opened_by
from dirsync.answers.answering import Answerer, decode_question
from dirsync.model.place import LocalPlace
from dirsync.model.serving import Access, Share
from dirsync.wire.asks import VERSION
from dirsync.wire.frames import ProtocolError, decoder
from dirsync.wire.runs import Order, check_order

logger = logging.getLogger(__name__)

_MOST_BODY_BYTES = 16 << 20  # of a question or an order
_BODY_SECONDS = 30.0  # for it to arrive
_BLOCK_SECONDS = 60.0  # for the next block of an answer
_decode_order = decoder(Order)


class _Refused(Exception):
    """A request that is not carried out."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def application(shares: Sequence[Share], *, state: str) -> tuple[Starlette, Sessions]:
    """Make the application that serves some shares, and what holds its runs; `state` records them."""
    agent = _Agent(shares, state=state)
    routes = [
        Route("/health", _health, methods=["GET"]),
        Route("/v1/shares/{share}/ask", agent.asked, methods=["POST"]),
        Route("/v1/shares/{share}/runs", agent.ordered, methods=["POST"]),
        Route("/v1/runs/{run}/events", agent.events, methods=["POST"]),
        Route("/v1/runs/{run}/answers/{number:int}", agent.answered, methods=["POST"]),
        Route("/v1/runs/{run}/heard/{number:int}", agent.heard, methods=["POST"]),
        Route("/v1/runs/{run}/stop", agent.stopped, methods=["POST"]),
    ]
    handlers = {404: agent.unknown, 405: agent.unknown, _Refused: _refusal}
    return Starlette(routes=routes, exception_handlers=handlers), agent.sessions


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, _Refused)
    return JSONResponse({"error": str(error)}, status_code=error.status)


class _Agent:
    """Answers requests."""

    def __init__(self, shares: Sequence[Share], *, state: str) -> None:
        self._shares = shares
        self._state = state
        self._answerers = {share.name: _answerer(share) for share in shares}
        self.sessions = Sessions()

    def _opened(self, request: Request) -> list[Share]:
        """Give the shares that a request's token opens.

        Raises:
            _Refused: it opens none.
        """
        shares = shares_opened_by(bearer_token(request.headers.get("authorization")), self._shares)
        if not shares:
            raise _Refused(401, "unauthorized")
        return shares

    def _share(self, request: Request) -> Share:
        for share in self._opened(request):
            if share.name == request.path_params["share"]:
                return share
        raise _Refused(404, f"there is no share '{request.path_params['share']}' for this token")

    def _session(self, request: Request) -> Session:
        """Give the run that a request is about, if its token opens that run's share."""
        opened = {share.name for share in self._opened(request)}
        session = self.sessions.named(request.path_params["run"])
        if session is None or session.key[0] not in opened:
            raise _Refused(404, "there is no such run; it ended, or the agent was started again")
        return session

    async def unknown(self, request: Request, _: Exception) -> Response:
        """Refuse what is no request of the protocol."""
        try:
            self._opened(request)
        except _Refused as refused:
            return await _refusal(request, refused)
        return JSONResponse({"error": f"no such request; the protocol is version {VERSION}"}, status_code=404)

    async def asked(self, request: Request) -> Response:
        """Answer a question."""
        share = self._share(request)
        question = _understood(decode_question, await _body(request))
        return _streamed(self._answerers[share.name].answer(question))

    async def ordered(self, request: Request) -> Response:
        """Begin a run."""
        share = self._share(request)
        if not share.access.allows(Access.READ):
            raise _Refused(403, f"share '{share.name}' may not be written to")
        order: Order = _understood(_decode_order, await _body(request))
        if not order.changes_nothing and not share.access.allows(Access.WRITE):
            raise _Refused(403, f"share '{share.name}' may not be written to")
        try:
            check_order(order)
        except ProtocolError as error:
            raise _Refused(400, str(error)) from error

        def run(session: Session) -> None:
            carry_out(order, share, state=self._state, session=session)

        key = (share.name, order.client, order.job)
        session = await asyncio.to_thread(self.sessions.begin, key, run)
        if session is None:
            raise _Refused(503, "too many runs at once; try again later")
        return _streamed(session.heard(0))

    async def events(self, request: Request) -> Response:
        """Go on telling what a run tells."""
        session = self._session(request)
        try:
            after = int(request.query_params.get("after", "0"))
        except ValueError:
            raise _Refused(400, "'after' is no number") from None
        return _streamed(session.heard(after))

    async def heard(self, request: Request) -> Response:
        """Note what has arrived."""
        self._session(request).acknowledge(request.path_params["number"])
        return JSONResponse({})

    async def stopped(self, request: Request) -> Response:
        """End a run."""
        session = self._session(request)
        try:
            number = int(request.query_params.get("signal", "15"))
        except ValueError:
            number = 15
        session.stop.request(number if number in (2, 15) else 15)
        return JSONResponse({})

    async def answered(self, request: Request) -> Response:
        """Take the answer to what a run asked."""
        body = self._session(request).body(request.path_params["number"])
        if body is None:
            raise _Refused(404, "nobody waits for this answer any more")
        complete = False
        try:
            stream = request.stream()
            while True:
                async with asyncio.timeout(_BLOCK_SECONDS):
                    block = await anext(stream, None)
                if block is None:
                    complete = True
                    break
                if block:
                    await _put(body, block)
        except (TimeoutError, ClientDisconnect):
            pass
        finally:
            with contextlib.suppress(TimeoutError):
                await _put(body, None)
        return JSONResponse({}) if complete else Response(status_code=400)


def _answerer(share: Share) -> Answerer:
    return Answerer(LocalPlace(path=share.path), access=share.access, check=lambda: None)


async def _put(body: Body, block: bytes | None) -> None:
    """Hand a block over, waiting while nobody takes it; not for ever.

    Raises:
        TimeoutError: nobody took it.
    """
    async with asyncio.timeout(_BLOCK_SECONDS):
        while True:
            try:
                body.put_nowait(block)
                return
            except queue.Full:
                await asyncio.sleep(0.002)


async def _body(request: Request) -> bytes:
    """Give a request's whole body, which is short and comes soon.

    Raises:
        _Refused: it is too long, or takes too long.
    """
    blocks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for block in request.stream():
                size += len(block)
                if size > _MOST_BODY_BYTES:
                    raise _Refused(413, f"a question of more than {_MOST_BODY_BYTES} bytes")
                blocks.append(block)
    except TimeoutError:
        raise _Refused(408, "the question took too long to arrive") from None
    except ClientDisconnect:
        raise _Refused(400, "the question was cut off") from None
    return b"".join(blocks)


def _understood(decode: Callable[[bytes], Any], payload: bytes) -> Any:
    try:
        return decode(payload)
    except ProtocolError as error:
        raise _Refused(400, str(error)) from error


def _streamed(frames: Iterator[bytes]) -> Response:
    return StreamingResponse(frames, media_type="application/octet-stream")
