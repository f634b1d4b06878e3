"""Images as arguments: addresses and data: URLs, looked at before anything is sent. Pure.

The type of an image is told by its first bytes. What a data: URL calls it is held against them, because a provider of
models refuses a mistake only in mid-turn.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from letta_conv_mcp.errors import InvalidArguments
from letta_conv_mcp.letta.outgoing import Image

MOST_IMAGES = 8
MOST_BYTES = 5_000_000
"""Of one image. Model providers take about as much."""
URL_CHARS = 2_000

_DATA = re.compile(r"data:(?P<media_type>[\w./+-]*)(?:;[^,;]*)*;base64,", re.IGNORECASE)
_SIGNATURES = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
)
_SAME = {"image/jpg": "image/jpeg"}


def images_from_urls(urls: Sequence[str]) -> tuple[Image, ...]:
    """The images that URLs name or hold.

    Raises:
        InvalidArguments: one can't be used; the message says which and why, and never repeats it.
    """
    read = [_image_from_url(url.strip()) for url in urls]
    problems = [f"images[{place}] {image}" for place, image in enumerate(read) if isinstance(image, str)]
    if problems:
        raise InvalidArguments("send_message", problems)
    return tuple(image for image in read if isinstance(image, Image))


def _image_from_url(url: str) -> Image | str:
    """The image, or what is wrong with it."""
    if url[:5].casefold() == "data:":
        return _image_from_data(url)
    try:
        parts = urlsplit(url)
        hostname = parts.hostname
    except ValueError:
        return "is not an address: a bracket in it is wrong"
    if parts.scheme != "https" or not hostname or len(url.split()) != 1:
        return "is neither an https address nor a data: URL"
    if "@" in parts.netloc:
        return "holds a user name or password, which Letta would keep"
    return Image(url=url) if len(url) <= URL_CHARS else f"is an address of more than {URL_CHARS} characters"


def _image_from_data(url: str) -> Image | str:
    head = _DATA.match(url)
    if head is None:
        return "is a data: URL without ;base64,"
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        return "holds data that isn't base64"
    if len(data) > MOST_BYTES:
        return f"has {len(data)} bytes, and {MOST_BYTES} are the most"
    found = next((media_type for media_type, signature in _SIGNATURES if signature.match(data)), None)
    if found is None:
        return "is neither png, jpeg, gif nor webp by its first bytes"
    named = head["media_type"].lower()
    if _SAME.get(named, named) not in ("", found):
        return f"calls itself {named} and is {found}"
    return Image(media_type=found, data=url[head.end() :])
