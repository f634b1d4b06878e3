"""Images as arguments: what can be sent, and what is said of the others."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letta_conv_mcp.errors import InvalidArguments
from letta_conv_mcp.letta.outgoing import Image, Said
from letta_conv_mcp.tools.images import MOST_BYTES, images_from_urls

KINDS = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
}
PNG = KINDS["image/png"]


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(("media_type", "data"), KINDS.items())
@pytest.mark.parametrize("named", [True, False])
def test_an_image_is_taken_for_what_its_first_bytes_say(media_type: str, data: bytes, named: bool) -> None:
    (image,) = images_from_urls([data_url(data, media_type if named else "")])

    assert (image.url, image.media_type, base64.b64decode(image.data)) == (None, media_type, data)


def test_jpeg_has_two_names_and_a_url_may_have_parameters() -> None:
    jpeg = base64.b64encode(KINDS["image/jpeg"]).decode()
    images = images_from_urls([f"data:image/jpg;base64,{jpeg}", f" DATA:image/jpeg;name=a.jpg;base64,{jpeg}\n"])

    assert [image.media_type for image in images] == ["image/jpeg"] * 2


def test_an_https_address_is_passed_on() -> None:
    assert images_from_urls(["https://example.com/a.png?x=1"]) == (Image(url="https://example.com/a.png?x=1"),)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.com/a.png", "is neither an https address nor a data: URL"),
        ("https://", "is neither an https address nor a data: URL"),
        ("https://example.com/a b.png", "is neither an https address nor a data: URL"),
        ("/home/me/a.png", "is neither an https address nor a data: URL"),
        ("", "is neither an https address nor a data: URL"),
        ("https://[::1", "is not an address: a bracket in it is wrong"),
        ("https://me:hunter2@example.com/a.png", "holds a user name or password, which Letta would keep"),
        (f"https://example.com/{'a' * 2_000}", "is an address of more than 2000 characters"),
        ("data:image/png,abc", "is a data: URL without ;base64,"),
        ("data:image/png;base64,a-b", "holds data that isn't base64"),
        ("data:image/png;base64,äöü", "holds data that isn't base64"),
        (data_url(b"<svg/>", "image/svg+xml"), "is neither png, jpeg, gif nor webp by its first bytes"),
        (data_url(b""), "is neither png, jpeg, gif nor webp by its first bytes"),
        (data_url(PNG, "image/gif"), "calls itself image/gif and is image/png"),
        (data_url(PNG + bytes(MOST_BYTES)), f"has {len(PNG) + MOST_BYTES} bytes, and {MOST_BYTES} are the most"),
    ],
)
def test_what_can_not_be_sent_is_named_by_its_place_and_never_repeated(url: str, problem: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        images_from_urls([data_url(PNG), url])

    assert str(refused.value).startswith(f"send_message was not run: images[1] {problem}.")
    assert "hunter2" not in str(refused.value)


def test_the_largest_image_is_taken() -> None:
    (image,) = images_from_urls([data_url(PNG + bytes(MOST_BYTES - len(PNG)))])

    assert len(base64.b64decode(image.data)) == MOST_BYTES


@given(st.text() | st.binary().map(data_url))
def test_whatever_is_given_is_an_image_or_a_sentence(url: str) -> None:
    try:
        images = images_from_urls([url])
    except InvalidArguments:
        return

    assert len(images) == 1


def test_what_was_said_is_shown_with_its_images_and_remembered_without_their_data() -> None:
    images = (Image(url="https://example.com/a.png"), Image(media_type="image/png", data="AAAA"))
    said = Said(text="look", images=images)

    assert str(said) == str(said.without_data) == "look[image: https://example.com/a.png][image: image/png]"
    assert "AAAA" in said.images[1].data
    assert "AAAA" not in repr(said)
    assert said.without_data.images[1].data == ""
