"""Mail through Amazon SES; needs boto3, which is imported where it is used."""

from __future__ import annotations

from dirsync.errors import NotDelivered
from dirsync.model.notifier import SesNotifier
from dirsync.notify.letter import Letter
from dirsync.notify.mail import mail_of
from dirsync.notify.words import printable

_TIMEOUT_SECONDS = 20
_TRANSIENT = frozenset({"Throttling", "ThrottlingException", "ServiceUnavailable", "InternalFailure"})
_FIRST_SERVER_FAULT = 500


def send_by_ses(notifier: SesNotifier, letter: Letter) -> None:
    """Send a letter as one mail to all.

    Raises:
        NotDelivered: nobody has it.
    """
    where = f"'{notifier.name}': Amazon SES"
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.exceptions import ConnectionError as Unreachable
    except ImportError as error:
        text = f"{where} needs boto3; install it with: pip install 'dirsync[mail]'"
        raise NotDelivered(text, is_transient=False) from error
    mail = mail_of(letter, sender=notifier.sender, to=notifier.to)
    config = Config(
        connect_timeout=_TIMEOUT_SECONDS, read_timeout=_TIMEOUT_SECONDS, retries={"total_max_attempts": 1}
    )
    try:
        client = boto3.client(
            "ses", region_name=notifier.region, endpoint_url=notifier.endpoint_url, config=config
        )
        client.send_raw_email(
            Source=mail.sender, Destinations=mail.recipients, RawMessage={"Data": mail.message.as_bytes()}
        )
    except ClientError as error:
        answer = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        text = f"{where} refused the mail: {printable(str(answer.get('Message') or answer.get('Code')))}"
        is_transient = answer.get("Code") in _TRANSIENT or status >= _FIRST_SERVER_FAULT
        raise NotDelivered(text, is_transient=is_transient) from error
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is none
        text = f"{where} cannot be used: {printable(str(error))}"
        raise NotDelivered(text, is_transient=isinstance(error, Unreachable)) from error
