"""Carrying out a run that was ordered, as one of this machine's, its source at the other end."""

from __future__ import annotations

import os

from dirsync.agent.sessions import Session, SessionObserver
from dirsync.errors import RunError
from dirsync.model.job import MirrorJob
from dirsync.model.names import local_text
from dirsync.model.place import FarPlace, LocalPlace
from dirsync.model.serving import Share
from dirsync.runner.run import approve_job, run_job
from dirsync.runner.state import ensure_state_directory, file_name_of
from dirsync.trees.far.connection import FarConnection, connected
from dirsync.trees.handles import DirectoryHandles, split
from dirsync.trees.local import OPEN_ROOT
from dirsync.wire.runs import Order, name_of_job

_SOURCE = FarPlace(address="the client", share="source")


def carry_out(order: Order, share: Share, *, state: str, session: Session) -> None:
    """Carry out an order in the calling thread; what comes of it is told by the session.

    Raises:
        RunError: it cannot be begun.
    """
    folder = _state_of(share, state)
    observer = SessionObserver(session)

    def check() -> None:
        if session.stop.requested():
            raise RunError("the run was stopped")

    with connected(FarConnection(_SOURCE, session, check=check)) as source:
        job = _job(order, share, source)
        if order.approves:
            approve_job(job, state=folder, observer=observer, stop=session.stop, dry_run=order.dry_run)
        else:
            run_job(
                job,
                state=folder,
                observer=observer,
                stop=session.stop,
                dry_run=order.dry_run,
                saves_plan=order.saves_plan,
            )


def _job(order: Order, share: Share, source: FarPlace) -> MirrorJob:
    ordered = {name: getattr(order.ordered, name) for name in order.ordered.__struct_fields__}
    return MirrorJob(
        name=name_of_job(order.job, client=order.client),
        source=source,
        destination=_destination(order.root, share),
        **ordered,
    )


def _destination(root: bytes, share: Share) -> LocalPlace:
    """Give the directory that is meant: no link beneath the share's root leads to it.

    Its last component may be missing: then the run makes it.

    Raises:
        RunError: the share, or a directory above, is not there.
    """
    parent = split(root)[0]
    try:
        handles = DirectoryHandles(os.open(share.path, OPEN_ROOT))
    except OSError as error:
        raise RunError(f"share '{share.name}' is not there: {error.strerror}; is it mounted?") from error
    with handles:
        try:
            handles.handle(parent)
        except FileNotFoundError as error:
            raise RunError(f"'{local_text(parent)}' does not exist in share '{share.name}'") from error
        except OSError as error:
            raise RunError(
                f"'{local_text(parent)}' in share '{share.name}' cannot be entered: {error.strerror}"
            ) from error
    return LocalPlace(path=os.path.join(share.path, root) if root else share.path, within=share.path)


def _state_of(share: Share, state: str) -> str:
    """Give the directory where the runs ordered for a share are recorded."""
    ensure_state_directory(state)
    shares = os.path.join(state, "shares")
    ensure_state_directory(shares)
    folder = os.path.join(shares, file_name_of(share.name))
    ensure_state_directory(folder)
    return folder
