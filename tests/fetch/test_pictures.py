"""Pictures of strangers, drawn anew or not at all (D-44, X-05, X-12)."""

import asyncio
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

import calling_card
from calling_card.fetch import pictures
from calling_card.fetch.pictures import AT_ONCE, LARGEST, LONGEST, SIDE, WAITING, PillowPictures, drawn
from tests.ledger import meets

RED = (200, 30, 40, 255)
PNG = b"\x89PNG\r\n\x1a\n"


def file(picture: Image.Image, kind: str, /, **how: object) -> bytes:
    """A picture as a stranger serves it."""
    made = BytesIO()
    picture.save(made, kind, **how)
    return made.getvalue()


def plain(mode: str = "RGB", size: tuple[int, int] = (300, 200)) -> Image.Image:
    return Image.new("RGBA", size, RED).convert(mode)


def seen(body: bytes | None) -> Image.Image:
    """What we serve for it."""
    assert body is not None
    picture = Image.open(BytesIO(body))
    picture.load()
    assert picture.format == "PNG"
    return picture


def close(picture: Image.Image, colour: tuple[int, ...] = RED, by: int = 12) -> bool:
    """Whether the middle has about this colour."""
    dot = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(dot, tuple)
    return all(abs(one - other) <= by for one, other in zip(dot, colour, strict=True))


def chunk(kind: bytes, content: bytes) -> bytes:
    """One of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def head(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def kinds(body: bytes) -> list[bytes]:
    """The chunks of a PNG."""
    found: list[bytes] = []
    at = len(PNG)
    while at < len(body):
        found.append(body[at + 4 : at + 8])
        at += 12 + int.from_bytes(body[at : at + 4], "big")
    return found


# ── What is taken ────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = {
    "png": file(plain(), "PNG"),
    "png with transparency": file(plain("RGBA"), "PNG"),
    "png with a palette": file(plain("P"), "PNG"),
    "grey png": file(Image.new("L", (300, 200), 90), "PNG"),
    "jpeg": file(plain(), "JPEG", quality=95),
    "progressive jpeg": file(plain(), "JPEG", quality=95, progressive=True),
    "cmyk jpeg": file(plain().convert("CMYK"), "JPEG", quality=95),
    "webp": file(plain(), "WEBP", quality=95),
    "lossless webp": file(plain("RGBA"), "WEBP", lossless=True),
    "gif": file(plain("P"), "GIF"),
}


@meets("D-44")
@pytest.mark.parametrize("kind", GOOD)
def test_a_picture_is_drawn_anew_and_small(kind: str) -> None:
    picture = seen(drawn(GOOD[kind]))

    assert picture.size == (SIDE, 85)
    assert close(picture, (90, 90, 90, 255) if kind == "grey png" else RED), picture.getpixel((60, 40))


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (128, 128), (LARGEST, LARGEST), (LARGEST, 1), (1, LARGEST)])
def test_a_small_picture_keeps_its_size_and_no_side_vanishes(size: tuple[int, int]) -> None:
    picture = seen(drawn(file(plain(size=size), "PNG")))

    assert picture.width <= SIDE >= picture.height
    assert picture.size == size or max(size) > SIDE
    assert min(picture.size) >= 1


@pytest.mark.parametrize("depth", [0, 20_000, 65_535])
def test_sixteen_bits_a_dot_become_eight(depth: int) -> None:
    picture = seen(drawn(file(Image.new("I;16", (20, 20), depth), "PNG")))

    assert close(picture, (depth >> 8, depth >> 8, depth >> 8, 255), by=0)


def test_what_is_transparent_stays_so() -> None:
    assert close(seen(drawn(file(Image.new("RGBA", (20, 20), (1, 2, 3, 0)), "PNG"))), (1, 2, 3, 0))


def test_of_an_animation_the_first_frame_is_drawn() -> None:
    frames = [plain("RGB", (40, 40)), Image.new("RGB", (40, 40), "blue")] * 20

    for kind in ("GIF", "WEBP", "PNG"):
        picture = seen(drawn(file(frames[0], kind, save_all=True, append_images=frames[1:])))
        assert close(picture, by=20), kind
        assert getattr(picture, "n_frames", 1) == 1


@meets("X-05", "X-12")
def test_nothing_but_dots_is_left_of_it() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "<script>alert(1)</script>")
    exif = Image.Exif()
    exif[0x010E] = "<script>alert(1)</script>"
    profile = b"<script>alert(1)</script>" * 20
    bodies = [
        file(plain(), "PNG", pnginfo=notes, exif=exif, icc_profile=profile),
        file(plain(), "JPEG", exif=exif, icc_profile=profile, comment=b"<script>alert(1)</script>"),
        file(plain(), "WEBP", exif=exif, icc_profile=profile, xmp=b"<script>alert(1)</script>"),
        file(plain("P"), "GIF", comment=b"<script>alert(1)</script>"),
    ]

    for body in bodies:
        assert b"script" in body or b"icc" in body.lower()
        made = drawn(body)
        assert made is not None
        assert set(kinds(made)) == {b"IHDR", b"IDAT", b"IEND"}
        assert b"script" not in made


@meets("X-12")
@pytest.mark.parametrize("kind", GOOD)
def test_what_follows_a_picture_or_hides_in_it_does_not_get_through(kind: str) -> None:
    page = b"<!doctype html><html><script>alert(document.domain)</script></html>"

    made = drawn(GOOD[kind] + page)

    assert made is not None
    assert made == drawn(GOOD[kind])
    assert b"script" not in made


# ── What is not ──────────────────────────────────────────────────────────────────────────────────────────────────────

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
OTHERS = {
    "nothing": b"",
    "svg with a script": SVG,
    "svg behind a space": b"\n" + SVG,
    "svg, compressed": zlib.compress(SVG),
    "html": b"<!doctype html><script>alert(1)</script>",
    "html that begins like a gif": b"GIF89a/*<svg/onload=alert(1)>*/=alert(1)//;",
    "html that begins like a jpeg": b"\xff\xd8\xff<script>alert(1)</script>",
    "html before a png": b"<script>alert(1)</script>" + GOOD["png"],
    "html that begins like a png": PNG + b"<script>alert(1)</script>",
    "html in a webp": b"RIFF\x40\x00\x00\x00WEBPVP8 <script>alert(1)</script>" + b"\0" * 40,
    "bmp": file(plain(), "BMP"),
    "tiff": file(plain(), "TIFF"),
    "ico": file(plain(), "ICO"),
    "jpeg 2000": file(plain(), "JPEG2000"),
    "avif": file(plain(), "AVIF"),
    "pdf": file(plain(), "PDF"),
    "eps": file(plain(), "EPS"),
    "ppm": file(plain(), "PPM"),
    "text": b"hello",
}


@meets("D-44", "X-12")
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_picture_of_the_four_kinds_is_none(kind: str) -> None:
    assert drawn(OTHERS[kind]) is None


@meets("D-44", "X-05")
@pytest.mark.parametrize("size", [(LARGEST + 1, 1), (1, LARGEST + 1), (4000, 4000)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_what_is_too_large_to_look_at_is_none(kind: str, size: tuple[int, int]) -> None:
    body = file(plain("P" if kind == "GIF" else "RGB", size), kind)

    assert len(body) <= LONGEST
    assert drawn(body) is None


def test_what_has_too_many_bytes_is_none() -> None:
    async def both() -> tuple[bytes | None, bytes | None]:
        ours = PillowPictures()
        fill = LONGEST - len(GOOD["png"])
        return await ours.clean(GOOD["png"] + b"\0" * fill), await ours.clean(GOOD["png"] + b"\0" * (fill + 1))

    largest, larger = asyncio.run(both())

    assert largest is not None
    assert larger is None


def png_bomb() -> bytes:
    """A hundred thousand dots a side in a few kilobytes."""
    return PNG + head(100_000, 100_000) + chunk(b"IDAT", zlib.compress(b"\0" * 20_000_000, 9)) + chunk(b"IEND", b"")


def two_heads() -> bytes:
    """Small first, then large."""
    return PNG + head(8, 8) + head(60_000, 60_000) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """Texts that swell to two hundred megabytes."""
    swollen = zlib.compress(b"\0" * 1_000_000, 9)
    texts = b"".join(chunk(b"zTXt", b"key\0\0" + swollen) for _ in range(200))
    profile = chunk(b"iCCP", b"name\0\0" + zlib.compress(b"\0" * 40_000_000, 9))
    return GOOD["png"][: 8 + 25] + texts + profile + GOOD["png"][8 + 25 :]


def more_dots_than_said() -> bytes:
    return PNG + head(8, 8) + chunk(b"IDAT", zlib.compress(b"\0" * 100_000_000, 9)) + chunk(b"IEND", b"")


def gif_of(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """One whose frame is larger than its screen."""
    return (
        b"GIF89a" + struct.pack("<HH", *screen) + b"\x80\0\0\0\0\0\xff\xff\xff"
        b"," + struct.pack("<HHHH", 0, 0, *frame) + b"\0\x02\x02\x44\x01\0;"
    )


def webp_canvas(side: int) -> bytes:
    """One that says it has a large canvas."""
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + (side - 1).to_bytes(3, "little") * 2 + b"\0" * 40


def many_passes() -> bytes:
    """A JPEG that has the whole picture read over and over again."""
    body = file(plain(size=(LARGEST, LARGEST)), "JPEG", progressive=True)
    at = body.rindex(b"\xff\xda")
    scan = body[at:-2]
    return body[:-2] + scan * ((LONGEST - len(body)) // len(scan)) + body[-2:]


BOMBS: dict[str, Callable[[], bytes]] = {
    "png": png_bomb,
    "png with two heads": two_heads,
    "png without end": more_dots_than_said,
    "gif with a large screen": lambda: gif_of((60_000, 60_000), (8, 8)),
    "gif with a large frame": lambda: gif_of((8, 8), (60_000, 60_000)),
    "webp with a large canvas": lambda: webp_canvas(1 << 24),
    "webp, almost small": lambda: webp_canvas(LARGEST + 1),
    "jpeg with a large head": lambda: GOOD["jpeg"].replace(struct.pack(">HH", 200, 300), b"\xff\xff\xff\xff", 1),
    "jpeg of many passes": many_passes,
    "texts": text_bomb,
}


@meets("X-05")
@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_takes_neither_room_nor_time(kind: str) -> None:
    for good in GOOD.values():
        drawn(good)  # whatever is loaded for the first picture is no matter of the bomb
    bomb = BOMBS[kind]()
    assert len(bomb) <= LONGEST
    began = time.process_time()
    tracemalloc.start()

    made = drawn(bomb)

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4_000_000
    assert time.process_time() - began < 2
    assert made is None or seen(made).width <= SIDE


@meets("X-05")
def test_texts_are_left_out_before_anybody_reads_them() -> None:
    assert drawn(text_bomb()) == drawn(GOOD["png"])
    assert drawn(many_passes()) is None


@pytest.mark.parametrize("size", [(0, 0), (0, 8), (8, 0)])
def test_a_picture_without_a_dot_is_none(size: tuple[int, int]) -> None:
    assert drawn(PNG + head(*size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")) is None
    assert drawn(gif_of(size, size)) is None


@pytest.mark.parametrize("kind", GOOD)
def test_a_picture_that_is_cut_off_is_none_or_still_a_picture(kind: str) -> None:
    body = GOOD[kind]

    for share in (0.02, 0.1, 0.5, 0.9):
        made = drawn(body[: int(len(body) * share)])
        assert made is None or close(seen(made)) or seen(made).size
    assert drawn(body[:20]) is None


@settings(deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_picture_with_a_wrong_byte_never_fails(kind: str, wrong: list[tuple[int, int]]) -> None:
    body = bytearray(GOOD[kind])
    for place, value in wrong:
        body[place % len(body)] = value

    made = drawn(bytes(body))

    assert made is None or max(seen(made).size) <= SIDE


# ── At once ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-05")
def test_two_are_drawn_at_once_and_whoever_comes_to_a_crowd_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, door = 0, 0, threading.Event()
    lock = threading.Lock()

    def slowly(body: bytes) -> bytes:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        assert door.wait(20)
        with lock:
            running -= 1
        return body

    async def crowd() -> list[bytes | None]:
        ours = PillowPictures()
        waiting = [asyncio.create_task(ours.clean(b"%d" % number)) for number in range(WAITING + 5)]
        await asyncio.sleep(0)
        late = await ours.clean(b"late")
        door.set()
        first = [late, *await asyncio.gather(*waiting)]
        return [*first, await ours.clean(b"later")]

    monkeypatch.setattr(pictures, "drawn", slowly)
    answers = asyncio.run(crowd())

    assert most <= AT_ONCE
    assert answers.count(None) == 6
    assert answers[0] is None
    assert answers[-1] == b"later"


def test_a_picture_is_drawn_in_another_thread_than_the_loop_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(body: bytes) -> bytes:
        return threading.current_thread().name.encode()

    monkeypatch.setattr(pictures, "drawn", told)

    name = asyncio.run(PillowPictures().clean(GOOD["jpeg"]))

    assert name not in (None, threading.current_thread().name.encode())


def test_nobody_who_sees_no_picture_loads_the_library() -> None:
    program = "import sys; import calling_card.fetch.pictures as p; p.PillowPictures(); p.drawn(b'text'); sys.exit('PIL' in sys.modules)"

    source = str(Path(calling_card.__file__).parents[1])
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60, env={"PYTHONPATH": source}).returncode == 0
