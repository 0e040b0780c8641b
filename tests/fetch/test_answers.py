"""What strangers answer, and what of it is taken (D-14 to D-18, D-33, X-08)."""

import gzip
import tracemalloc
import zlib

import pytest

from calling_card.protocol.abroad.fetching import DOCUMENT, KEY_SET, LOGO, SECTOR, Purpose, Unfetched, Why
from tests.fetch.stranger import ADDRESS, BODY, JSON, NAME, NOW, URL, Lab, says, writes
from tests.ledger import meets

PURPOSES = (DOCUMENT, KEY_SET, SECTOR, LOGO)
each_purpose = pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.name)


def good(purpose: Purpose, size: int = len(BODY), **headers: str) -> tuple[bytes, object]:
    """A body of a size, and an answer with it that this purpose takes."""
    body = bytes(range(256)) * (size // 256 + 1)
    return body[:size], says(200, body[:size], purpose.media[0], **headers)


@meets("D-14")
@each_purpose
async def test_a_request_says_what_it_wants_who_asks_and_nothing_else(lab: Lab, purpose: Purpose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with lab.host(says(media=purpose.media[0], Set_Cookie="a=b")) as host:
        fetcher = lab.fetcher()

        await fetcher.get(URL, purpose)
        await fetcher.get(URL, purpose)

        for raw in host.heads:
            assert raw.startswith(b"GET /client.json HTTP/1.1\r\n")
        assert host.head == {
            "host": NAME,
            "accept": purpose.accept,
            "accept-encoding": "identity",
            "user-agent": "calling-card/0 (+https://as.example)",
        }
        assert host.connections == 2


@meets("D-14", "X-04")
@pytest.mark.parametrize(
    "url, line, host_header",
    [
        (f"https://{NAME}", "GET / ", NAME),
        (f"https://{NAME}?", "GET /? ", NAME),
        (f"https://{NAME}/a%2Fb;c=1//d/../e?f=%00&g", "GET /a%2Fb;c=1//d/../e?f=%00&g ", NAME),
        (f"https://{NAME}:8443/x", "GET /x ", f"{NAME}:8443"),
        (f"HTTPS://{NAME.upper()}/x", "GET /x ", NAME.upper()),
    ],
)
async def test_what_was_checked_is_what_is_asked_for_byte_by_byte(lab: Lab, url: str, line: str, host_header: str) -> None:
    async with lab.host() as host:
        await lab.fetcher().get(url, DOCUMENT)

        assert host.heads[0].startswith(line.encode())
        assert host.head["host"] == host_header
        assert host.greeted == [NAME]
        assert lab.network.asked == [NAME]


@meets("D-16", "D-17")
@each_purpose
async def test_a_good_answer_comes_with_what_caches_need(lab: Lab, purpose: Purpose) -> None:
    body, play = good(purpose, Cache_Control="max-age=60", Expires="x", Date="y", Age="3", ETag='W/"v1"', Last_Modified="z")

    found = await lab.get(play, purpose)  # type: ignore[arg-type] # a Play

    assert (found.status, found.body, found.at) == (200, body, NOW)
    assert (found.cache_control, found.expires, found.date, found.age) == ("max-age=60", "x", "y", "3")
    assert (found.etag, found.last_modified) == ('W/"v1"', "z")


async def test_headers_that_come_twice_are_joined_and_validators_that_are_none_are_dropped(lab: Lab) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=9\r\ncache-control: no-cache\r\n"
    raw += b"ETag: unquoted\r\nLast-Modified: " + b"x" * 65 + b"\r\nContent-Length: 2\r\n\r\n{}"

    found = await lab.get(writes(raw))

    assert found.cache_control == "max-age=9, no-cache"
    assert (found.etag, found.last_modified) == ("", "")


async def test_a_header_too_long_to_remember_says_to_keep_nothing(lab: Lab) -> None:
    found = await lab.get(says(Cache_Control="max-age=600, x=" + "y" * 2000, Expires="z" * 1025, ETag=f'"{"e" * 300}"'))

    assert (found.cache_control, found.expires, found.etag) == ("no-store", "no-store", "")


# ── Status ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-15", "X-08", "X-76")
@each_purpose
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_a_redirect_is_never_followed(lab: Lab, purpose: Purpose, status: int) -> None:
    async with lab.host(says(status, Location="http://169.254.169.254/latest/meta-data/")) as host:
        with pytest.raises(Unfetched) as no:
            await lab.fetcher().get(URL, purpose)

        assert no.value.why is Why.STATUS
        assert host.connections == 1
        assert lab.network.dialled == [(ADDRESS, 443)]


@meets("X-08")
async def test_neither_a_refresh_header_nor_a_page_that_leads_elsewhere_is_followed(lab: Lab) -> None:
    page = b'<meta http-equiv="refresh" content="0; url=http://127.0.0.1/">'
    async with lab.host(says(200, BODY, Refresh="0; url=http://127.0.0.1/", Location="http://127.0.0.1/", Link="<https://b.example>")):
        assert (await lab.fetcher().get(URL, DOCUMENT)).body == BODY
    assert await lab.why(says(200, page, "text/html")) is Why.MEDIA

    assert [address for address, _ in lab.network.dialled] == [ADDRESS, ADDRESS]


@meets("D-16")
@pytest.mark.parametrize(
    "status, why",
    [
        *((status, Why.STATUS) for status in (201, 202, 203, 204, 206, 226, 304, 400, 401, 403, 405, 418, 429, 451)),
        *((status, Why.GONE) for status in (404, 410)),
        *((status, Why.BROKEN) for status in (500, 502, 503, 504, 599)),
    ],
)
async def test_only_200_is_success(lab: Lab, status: int, why: Why) -> None:
    assert await lab.why(says(status, b"" if status in (204, 304) else BODY)) is why


@meets("D-16")
async def test_what_comes_before_an_answer_is_no_answer(lab: Lab) -> None:
    raw = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    assert (await lab.get(writes(raw))).body == b"{}"
    assert await lab.why(writes(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")) is Why.UNREACHABLE


# ── Conditional requests ─────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-33", "X-47")
async def test_a_304_to_our_validators_says_how_long_and_never_what(lab: Lab) -> None:
    play = says(304, b"", None, ETag='"v1"', Cache_Control="max-age=9", Last_Modified="Thu, 01 Jan 1970 00:00:00 GMT")
    async with lab.host(play) as host:
        found = await lab.fetcher().get(URL, DOCUMENT, etag='W/"v1"', last_modified="Fri, 15 Jan 2027 08:00:00 GMT")

        assert host.head["if-none-match"] == 'W/"v1"'
        assert host.head["if-modified-since"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    assert (found.status, found.body, found.cache_control) == (304, b"", "max-age=9")
    assert (found.etag, found.last_modified) == ('W/"v1"', "Fri, 15 Jan 2027 08:00:00 GMT")


@meets("D-33", "X-47")
async def test_a_304_with_another_etag_is_no_answer(lab: Lab) -> None:
    with pytest.raises(Unfetched) as no:
        await lab.get(says(304, b"", None, ETag='"v2"'), etag='"v1"')

    assert no.value.why is Why.STATUS


@meets("D-16", "D-33")
@pytest.mark.parametrize(
    "etag, last_modified", [("", ""), ("unquoted", ""), ('"a"\r\nX: y', "a\r\nX: y"), ('"' + "a" * 257 + '"', "x" * 65)]
)
async def test_without_validators_that_are_some_nothing_conditional_is_sent_and_304_is_an_error(
    lab: Lab, etag: str, last_modified: str
) -> None:
    async with lab.host(says(304, b"", None)) as host:
        with pytest.raises(Unfetched) as no:
            await lab.fetcher().get(URL, DOCUMENT, etag=etag, last_modified=last_modified)

        assert no.value.why is Why.STATUS
        assert not {"if-none-match", "if-modified-since", "x"} & set(host.head)


# ── Media type ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-17")
@pytest.mark.parametrize(
    "media", [JSON, "Application/JSON", "application/json; charset=utf-8", "application/ld+json", "application/jwk-set+json"]
)
async def test_json_may_have_any_of_its_names(lab: Lab, media: str) -> None:
    assert (await lab.get(says(media=media))).body == BODY


@meets("D-17")
@pytest.mark.parametrize(
    "media", [None, "", "text/html", "text/plain", "text/json", "application/javascript", "application/+json", "text/x+json", "image/png"]
)
async def test_other_media_types_are_refused(lab: Lab, media: str | None) -> None:
    assert await lab.why(says(media=media)) is Why.MEDIA


@meets("D-17")
async def test_two_media_types_are_none(lab: Lab) -> None:
    assert await lab.why(says(media=JSON, content_type=JSON)) is Why.MEDIA


@pytest.mark.parametrize("media", [JSON, "image/svg+xml", "text/html", "image/x-icon"])
async def test_a_logo_is_a_picture_made_of_dots(lab: Lab, media: str) -> None:
    assert await lab.why(says(media=media), LOGO) is Why.MEDIA


# ── Size and encoding ────────────────────────────────────────────────────────────────────────────────────────────────


@meets("D-18")
@each_purpose
@pytest.mark.parametrize("coding", ["identity", "gzip", "X-GZIP", ""])
async def test_a_body_may_be_as_large_as_its_purpose_allows(lab: Lab, purpose: Purpose, coding: str) -> None:
    body, _ = good(purpose, purpose.limit)
    sent = gzip.compress(body) if "gzip" in coding.lower() else body

    found = await lab.get(says(200, sent, purpose.media[0], Content_Encoding=coding), purpose)

    assert found.body == body


@meets("D-18")
@each_purpose
@pytest.mark.parametrize("form", ["length", "chunks", "end", "gzip"])
async def test_one_byte_more_is_too_much_however_it_comes(lab: Lab, purpose: Purpose, form: str) -> None:
    body = b"x" * (purpose.limit + 1)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {purpose.media[0]}\r\n".encode()
    plays = {
        "length": says(200, body, purpose.media[0]),
        "chunks": writes(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)),
        "end": writes(head + b"\r\n" + body),
        "gzip": says(200, gzip.compress(body), purpose.media[0], Content_Encoding="gzip"),
    }

    assert await lab.why(plays[form], purpose) is Why.SIZE


@meets("D-18")
async def test_a_length_that_is_too_large_is_not_waited_for(lab: Lab) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

    assert await lab.why(writes(head + b"Content-Length: 5121\r\n\r\n")) is Why.SIZE
    assert await lab.why(writes(head + b"Content-Length: " + b"9" * 20 + b"\r\n\r\n")) is Why.SIZE


@meets("D-18")
async def test_a_bomb_is_counted_after_decompression_and_never_unpacked(lab: Lab) -> None:
    bomb = gzip.compress(b"\0" * 5_000_000)
    assert len(bomb) < 5120 + 1024
    async with lab.host(says(200, bomb, Content_Encoding="gzip")):
        fetcher = lab.fetcher()
        with pytest.raises(Unfetched):
            await fetcher.get(f"https://{NAME}/once", DOCUMENT)  # libraries and certificates are loaded now
        tracemalloc.start()
        try:
            with pytest.raises(Unfetched) as no:
                await fetcher.get(URL, DOCUMENT)
            grown = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert no.value.why is Why.SIZE
    assert grown < 2 * 1024 * 1024


@meets("D-18")
async def test_compression_that_comes_to_nothing_has_an_end_too(lab: Lab) -> None:
    head = gzip.compress(b"")[:10]
    empty_blocks = head + b"\x00\x00\x00\xff\xff" * 100_000

    assert await lab.why(says(200, empty_blocks, Content_Encoding="gzip")) is Why.SIZE
    assert (
        await lab.why(writes(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n" + empty_blocks))
        is Why.SIZE
    )


@meets("D-18")
@pytest.mark.parametrize("coding", ["deflate", "br", "zstd", "compress", "gzip, gzip", "identity, gzip", "aes128gcm", "gzip;q=1"])
async def test_other_encodings_are_refused(lab: Lab, coding: str) -> None:
    assert await lab.why(says(200, zlib.compress(BODY), Content_Encoding=coding)) is Why.ENCODING


PACKED = gzip.compress(BODY, mtime=0)
NOT_ONE_PIECE = {
    "nothing": b"",
    "not packed": BODY,
    "cut short": PACKED[:-4],
    "a byte too many": PACKED + b"x",
    "two pieces": PACKED * 2,
    "a wrong sum": PACKED[:-8] + b"\0" * 8,
}


@meets("D-18")
@pytest.mark.parametrize("body", NOT_ONE_PIECE.values(), ids=NOT_ONE_PIECE)
async def test_gzip_is_one_whole_piece(lab: Lab, body: bytes) -> None:
    assert await lab.why(says(200, body, Content_Encoding="gzip")) is Why.ENCODING
