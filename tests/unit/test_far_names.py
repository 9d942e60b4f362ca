"""What names a place of another machine, and what only looks like it."""

from __future__ import annotations

import pytest

from dirsync.config.endpoints import address_of


def test_url_is_taken_apart() -> None:
    found = address_of("https://nas.lan:8443/photos/a%20b/%ff")

    assert (found.address, found.share, found.beneath) == ("https://nas.lan:8443", "photos", b"a b/\xff")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://nas.lan:8443/", "names no share"),
        ("https://nas.lan:8443/%ff/a", "names a share that no agent has"),
        ("https://nas.lan:8443/photos/../etc", "leads out of its share"),
        ("https://nas.lan:8443/photos/%2e%2e/etc", "leads out of its share"),
        ("https://nas.lan:8443/photos/a%2fb", "leads out of its share"),
        ("https://me:secret@nas.lan/photos", "holds a user or a password"),
        ("https://nas.lan:99999/photos", "is no URL"),
        ("ftp://nas.lan/photos", "is no URL of an agent"),
        ("https://nas.lan/photos?x", "has a part after"),
    ],
)
def test_url_that_names_no_place_is_refused(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        address_of(url)
