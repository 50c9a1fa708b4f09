"""Pictures are what their bytes say, kept once."""

import hashlib
from uuid import uuid4

import pytest

from rewards.models import Picture
from rewards.offers.errors import NotAPicture, PictureTooLarge, UnknownPicture
from rewards.offers.pictures import SIZE_MAX_BYTES, get_picture, put_picture
from tests.makers import NOW

PNG = b"\x89PNG\r\n\x1a\n"


def put(session, content):
    return put_picture(session, content, made_by="anna", now=NOW)


@pytest.mark.parametrize(
    ("begins", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_a_picture_is_known_by_its_bytes_and_named_by_their_hash(session, begins, media_type):
    content = begins + uuid4().bytes

    first, again = put(session, content), put(session, content)

    name = hashlib.sha256(content).hexdigest()
    assert (first.sha256, first.media_type, again.sha256) == (name, media_type, name)
    assert get_picture(session, name).content == content
    assert session.query(Picture).filter_by(sha256=name).count() == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a", b"RIFF\x10\0\0\0WAVE", PNG[:7]],
)
def test_anything_else_is_none(session, content):
    with pytest.raises(NotAPicture):
        put(session, content)


def test_a_picture_has_its_size(session):
    put(session, PNG + b"x" * (SIZE_MAX_BYTES - len(PNG)))

    with pytest.raises(PictureTooLarge):
        put(session, PNG + b"x" * (SIZE_MAX_BYTES - len(PNG) + 1))


def test_an_unknown_picture_is_refused(session):
    with pytest.raises(UnknownPicture):
        get_picture(session, "ab" * 32)
