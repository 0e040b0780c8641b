"""Pictures of strangers, drawn anew: what leaves here are dots of ours, never a byte of theirs (D-44, X-05, X-12).

Neither the name nor the media type of a picture is believed. What a file says of its size is read before anything is decoded, and
what is no part of the picture (texts, profiles, further frames, whatever follows the end) does not get as far as a decoder.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

LONGEST = 262144
"""Bytes."""
LARGEST = 1024
"""Dots a side."""
SIDE = 128
"""Dots a side of what we serve."""
AT_ONCE = 2
WAITING = 16
_SCANS = 64
"""Passes over a JPEG; each takes as long as the whole picture, and fits into a few bytes."""
_PNG = b"\x89PNG\r\n\x1a\n"
_PARTS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""Chunks of a PNG that are the picture (PNG §4.7)."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file that is taken."""

    begins: re.Pattern[bytes]
    size: Callable[[bytes], Size]
    """What its head says of its size; a decoder is made only for one that is small enough."""
    reduced: Callable[[bytes], bytes]
    """The parts that a decoder needs; empty: it is none of these files."""
    opened: "Callable[[BytesIO], ImageFile]"


class PillowPictures:
    """Draws at most two pictures at once, in threads; who comes while too many wait gets none."""

    def __init__(self) -> None:
        """Nothing of Pillow is loaded before the first picture."""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def clean(self, body: bytes) -> bytes | None:
        """See `Pictures.clean`."""
        if len(body) > LONGEST or self._waiting >= WAITING:
            return None
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(drawn, body)
        finally:
            self._waiting -= 1


def drawn(body: bytes) -> bytes | None:
    """The picture as a PNG of ours; None: it is none of the formats, too large or broken."""
    try:
        return next((_drawn(body, form) for form in FORMATS if form.begins.match(body)), None)
    except Exception:  # noqa: BLE001 # decoders trip over broken files in ways that no list of exceptions foresees
        return None


def _drawn(body: bytes, form: Format) -> bytes | None:
    if not _fits(form.size(body)):
        return None
    needed = form.reduced(body)
    if not needed:
        return None
    with form.opened(BytesIO(needed)) as picture:
        return _as_png(picture) if _fits(picture.size) else None


def _fits(size: Size) -> bool:
    return all(0 < side <= LARGEST for side in size)


def _as_png(picture: "ImageFile") -> bytes:
    """The first frame on a new canvas, which has nothing but dots."""
    from PIL import Image

    deep = picture.mode == "I;16"  # two bytes a dot, the greater one second; Pillow would cut off what one cannot hold
    shallow = Image.frombytes("L", picture.size, picture.tobytes()[1::2]) if deep else picture
    dots = shallow.convert("RGBA")
    dots.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", dots.size)
    canvas.paste(dots)
    made = BytesIO()
    canvas.save(made, "PNG", optimize=True)
    return made.getvalue()


# ── The formats ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _png_size(body: bytes) -> Size:
    return int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big")


def _png_reduced(body: bytes) -> bytes:
    """The chunks of the picture alone: what texts and profiles would swell to is never known (PNG §5.3)."""
    kept, at, kind = [_PNG], len(_PNG), b""
    while kind != b"IEND":
        end = at + 12 + int.from_bytes(body[at : at + 4], "big")
        kind = body[at + 4 : at + 8]
        if end > len(body):
            return b""
        if kind in _PARTS and (kind != b"IHDR" or len(kept) == 1):
            kept.append(body[at:end])
        at = end
    return b"".join(kept)


def _gif_size(body: bytes) -> Size:
    return int.from_bytes(body[6:8], "little"), int.from_bytes(body[8:10], "little")


def _webp_size(body: bytes) -> Size:
    """Of the canvas, the lossy or the lossless picture, whichever comes first (WebP container)."""
    if body[12:16] == b"VP8X":
        return int.from_bytes(body[24:27], "little") + 1, int.from_bytes(body[27:30], "little") + 1
    if body[12:16] == b"VP8L":
        both = int.from_bytes(body[21:25], "little")
        return (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1
    return int.from_bytes(body[26:28], "little") & 0x3FFF, int.from_bytes(body[28:30], "little") & 0x3FFF


def _jpeg_size(body: bytes) -> Size:
    """Not known before its head was read, which takes no room; none for one with more passes than any picture needs."""
    return (1, 1) if body.count(b"\xff\xda") <= _SCANS else (0, 0)


def _whole(body: bytes) -> bytes:
    return body


def _open_png(file: BytesIO) -> "ImageFile":
    from PIL.PngImagePlugin import PngImageFile

    return PngImageFile(file)


def _open_jpeg(file: BytesIO) -> "ImageFile":
    from PIL.JpegImagePlugin import JpegImageFile

    return JpegImageFile(file)


def _open_webp(file: BytesIO) -> "ImageFile":
    from PIL.WebPImagePlugin import WebPImageFile

    return WebPImageFile(file)


def _open_gif(file: BytesIO) -> "ImageFile":
    from PIL.GifImagePlugin import GifImageFile

    return GifImageFile(file)


FORMATS = (
    Format(re.compile(rb"\x89PNG\r\n\x1a\n.{4}IHDR", re.DOTALL), _png_size, _png_reduced, _open_png),
    Format(re.compile(rb"\xff\xd8\xff"), _jpeg_size, _whole, _open_jpeg),
    Format(re.compile(rb"RIFF.{4}WEBPVP8[ LX]", re.DOTALL), _webp_size, _whole, _open_webp),
    Format(re.compile(rb"GIF8[79]a"), _gif_size, _whole, _open_gif),
)
"""By their first bytes; whatever else begins a file, SVG and HTML with it, is no picture (X-12)."""
