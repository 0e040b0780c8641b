"""Raw requests, each with what must become of it: a table (RFC 9110, RFC 9112; RELIABILITY B2).

What is said is followed by a good request. A row that is ``REFUSED`` has one answer, a 4xx, and nothing behind it is read. A row
that is ``CUT`` is not over when the caller stops speaking: nobody answers it, or a 4xx does. All others name the statuses
they get, one for each request in them, and the good request behind them is answered too, unless the row says that it ``ENDS``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Wanted(Enum):
    """What becomes of a row that is no good request."""

    REFUSED = "one 4xx, and the connection ends"
    CUT = "at most a 4xx, and the connection ends"


REFUSED, CUT = Wanted.REFUSED, Wanted.CUT
ENDS = 0
"""Behind the statuses of a row: the connection ends with the last of them."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row."""

    kind: str
    name: str
    said: bytes
    wanted: Wanted | tuple[int, ...]

    @property
    def id(self) -> str:
        """How a test is called."""
        return f"{self.kind}, {self.name}"


GOOD = b'{"redirect_uris":["https://app.example/cb"]}'
SMUGGLED = b"GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n"
"""Answered with keys: no row may get them unless it asks for them."""
LINE = b"POST /register HTTP/1.1\r\n"
USUAL = b"Host: x\r\nContent-Type: application/json\r\n"
REGISTER = LINE + USUAL
LENGTH = b"Content-Length: 44\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
WHOLE = b"2c\r\n" + GOOD + b"\r\n0\r\n\r\n"
"""The good body in one chunk."""
ASK = b"GET /healthz HTTP/1.1\r\n"
CONTROLS = [*range(0x20), 0x7F]
Rows = Iterator[tuple[str, bytes, Wanted | tuple[int, ...]]]


def named(value: bytes) -> str:
    """A spelling as the name of a test shows it."""
    text = value if len(value) < 40 else value[:20] + b".." + str(len(value)).encode()
    return repr(text)[2:-1] or "nothing"


# ── Where a body ends ────────────────────────────────────────────────────────────────────────────────────────────────

CODINGS: Mapping[bytes, bool] = {
    b"chunked": True,
    b"Chunked": True,
    b"CHUNKED": True,
    b"  chunked": True,
    b"chunked  ": True,
    b"\tchunked": True,
    b"\tchunked\t": False,
    b"": False,
    b"identity": False,
    b"gzip": False,
    b"xchunked": False,
    b"chunkedx": False,
    b"chunke": False,
    b"chunked, identity": False,
    b"chunked, gzip": False,
    b"chunked,chunked": False,
    b"identity, chunked": False,
    b"gzip, chunked": False,
    b"cow, chunked": False,
    b"cow,chunked": False,
    b"chunked,": False,
    b",chunked": False,
    b"chunked;q=1": False,
    b"chunked; a=b": False,
    b'"chunked"': False,
    b"'chunked'": False,
    b"chunked\x0b": False,
    b"\x0bchunked": False,
    b"\x0cchunked": False,
    b"chunked\0": False,
    b"\0chunked": False,
    b"chun\xc3\xa7ed": False,
    b"\xa0chunked": False,
    b"\xef\xbb\xbfchunked": False,
    b"chunk ed": False,
    b"chunked chunked": False,
    b"chunked\r\n\t": False,
    b"\r\n chunked": False,
}
"""Spellings of the value of Transfer-Encoding, and whether it is the one that is taken."""


def codings() -> Rows:
    for value, taken in CODINGS.items():
        line = b"Transfer-Encoding:" + value + b"\r\n"
        yield f"alone {named(value)}", REGISTER + line + b"\r\n" + WHOLE, (201,) if taken else REFUSED
        yield f"length first {named(value)}", REGISTER + LENGTH + line + b"\r\n" + WHOLE, REFUSED
        yield f"length last {named(value)}", REGISTER + line + LENGTH + b"\r\n" + WHOLE, REFUSED


CODING_NAMES: Mapping[bytes, bool] = {
    b"transfer-encoding: chunked\r\n": True,
    b"TRANSFER-ENCODING:chunked\r\n": True,
    b"Transfer-Encoding : chunked\r\n": False,
    b"Transfer-Encoding\t: chunked\r\n": False,
    b" Transfer-Encoding: chunked\r\n": False,
    b"\tTransfer-Encoding: chunked\r\n": False,
    b"Transfer-Encoding\0: chunked\r\n": False,
    b"Transfer-Encoding\x0b: chunked\r\n": False,
    b"Transfer-\r\n Encoding: chunked\r\n": False,
    b"Transfer-Encoding\r\n : chunked\r\n": False,
    b"Transfer Encoding: chunked\r\n": False,
    b"Transfer-Encoding chunked\r\n": False,
    b"X: y\rTransfer-Encoding: chunked\r\n": False,
    b"X: y\nTransfer-Encoding: chunked\r\n": False,
    b"X: y\r\r\nTransfer-Encoding: chunked\r\n": False,
    b"X: y\n\rTransfer-Encoding: chunked\r\n": False,
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n": False,
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n": False,
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n": False,
    b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n": False,
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n": False,
}


def coding_names() -> Rows:
    for line, taken in CODING_NAMES.items():
        yield named(line), REGISTER + line + b"\r\n" + WHOLE, (201,) if taken else REFUSED
        yield f"length and {named(line)}", REGISTER + LENGTH + line + b"\r\n" + WHOLE, REFUSED
    yield "in HTTP/1.0", b"POST /register HTTP/1.0\r\n" + USUAL + CHUNKED + b"\r\n" + WHOLE, (201, ENDS)
    yield (
        "in HTTP/1.0, kept open",
        b"POST /register HTTP/1.0\r\nConnection: keep-alive\r\n" + USUAL + CHUNKED + b"\r\n" + WHOLE,
        (201, ENDS),
    )
    for other in (b"Transfer_Encoding", b"Transfer-Encodin", b"X-Transfer-Encoding", b"Transfer.Encoding"):
        yield f"is not {named(other)}", REGISTER + LENGTH + other + b": chunked\r\n\r\n" + GOOD, (201,)


LENGTHS: Mapping[bytes, bool] = {
    b"44": True,
    b" 44 ": True,
    b"\t44\t": True,
    b"044": True,
    b"00000000000000000000000000000000044": True,
    b"": False,
    b"+44": False,
    b"-44": False,
    b"-0": False,
    b"- 44": False,
    b"4 4": False,
    b"44 44": False,
    b"44,44": False,
    b"44, 44": False,
    b"44,": False,
    b",44": False,
    b"44;44": False,
    b"0x2c": False,
    b"0X2C": False,
    b"2c": False,
    b"4_4": False,
    b"44.0": False,
    b"4.4e1": False,
    b"44e0": False,
    b"44L": False,
    b'"44"': False,
    b"'44'": False,
    b"44\0": False,
    b"\x0044": False,
    b"44\x0b": False,
    b"\x0b44": False,
    b"\x0c44": False,
    b"\xa044": False,
    b"\xd9\xa4\xd9\xa4": False,
    b"\xef\xbc\x94\xef\xbc\x94": False,
    b"\xb2\xb2": False,
    b"NaN": False,
    b"inf": False,
    b"none": False,
    b"18446744073709551616": False,
    b"18446744073709551660": False,
    b"340282366920938463463374607431768211500": False,
    b"9" * 400: False,
    b"44\r\n\t": False,
    b"\r\n 44": False,
    b"44\r\nContent-Length: 44": False,
    b"44\r\ncontent-length: 0": False,
    b"0\r\nContent-Length: 44": False,
    b"44\r\nX: y\r\nCONTENT-LENGTH: 45": False,
}
"""Spellings of the value of Content-Length, and whether it is a number that is taken."""


def lengths() -> Rows:
    for value, taken in LENGTHS.items():
        yield named(value), REGISTER + b"Content-Length:" + value + b"\r\n\r\n" + GOOD, (201,) if taken else REFUSED
    for name in (
        b"Content-Length ",
        b"Content-Length\t",
        b" Content-Length",
        b"Content-Length\0",
        b"Content Length",
        b"Content-\x0bLength",
    ):
        yield f"name {named(name)}", REGISTER + name + b": 44\r\n\r\n" + GOOD, REFUSED
    for name in (b"Content_Length", b"Content-Lengt", b"X-Content-Length"):
        yield f"is not {named(name)}", b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + name + b": 5\r\n\r\n", (200,)
    yield "huge, and far less comes", REGISTER + b"Content-Length: 9223372036854775807\r\n\r\n" + GOOD, CUT
    yield "one more than comes", REGISTER + b"Content-Length: 4096\r\n\r\n" + GOOD, CUT
    yield "of a request that has no body", ASK + b"Host: x\r\nContent-Length: 31\r\n\r\n" + SMUGGLED, (200,)
    yield "nothing, where a body is needed", REGISTER + b"\r\n", (400,)
    yield "zero", REGISTER + b"Content-Length: 0\r\n\r\n", (400,)


# ── Chunks ───────────────────────────────────────────────────────────────────────────────────────────────────────────

SIZES: Mapping[bytes, bool] = {
    b"2c": True,
    b"2C": True,
    b"002c": True,
    b"0000000000000000000000000000002c": True,
    b"2c;a": True,
    b"2c;a=b": True,
    b'2c;a="b"': True,
    b'2c;a="b;c=d"': True,
    b"2c;a=b;c=d": True,
    b"2c;": False,
    b"2c;;a": True,
    b"2c;=b": True,
    b"2c;a=": True,
    b'2c;a="b': False,
    b'2c;a="b\\': False,
    b"2c;a\0=b": False,
    b"2c;a=b\0": False,
    b"2c;a=b\x0b": False,
    b"2c;a\n": False,
    b"2c;a\n0": False,
    b"2c;a\r0": False,
    b"2c \n": False,
    b"2c\r": False,
    b"2c\r\r": False,
    b"2c\0": False,
    b"2c\x0b": False,
    b"2c ": False,
    b" 2c": False,
    b"\t2c": False,
    b"2c\t": False,
    b"2 c": False,
    b"+2c": False,
    b"-2c": False,
    b"0x2c": False,
    b"x2c": False,
    b"2cx": False,
    b"2_c": False,
    b"2c.0": False,
    b"2c,2c": False,
    b"": False,
    b";a=b": False,
    b"1000000000000002c": False,
    b"f000000000000000000000000000002c": False,
    b"\xd9\xa2c": False,
    b"\xef\xbc\x92c": False,
    b"2c" + b";a=b" * 200_000: False,
}
"""Spellings of the size of a chunk that has 44 bytes, and whether it is taken."""


def chunks() -> Rows:
    begin = REGISTER + CHUNKED + b"\r\n"
    for size, taken in SIZES.items():
        yield f"size {named(size)}", begin + size + b"\r\n" + GOOD + b"\r\n0\r\n\r\n", (201,) if taken else REFUSED
    for last in (b"0", b"00", b"0;a=b"):
        yield f"last {named(last)}", begin + b"2c\r\n" + GOOD + b"\r\n" + last + b"\r\n\r\n", (201,)
    for end in (b"\n", b"\r", b"", b" \r\n", b"\0\0", b"\r\r\n", b"\n\r\n", b"xx"):
        yield f"data ends with {named(end)}", begin + b"2c\r\n" + GOOD + end + b"0\r\n\r\n", REFUSED
    for end in (b"\n\n", b"\n\r\n", b"\r\n\n", b"\r\n\r", b"\r\r\n\r\n"):
        yield f"last line ends with {named(end)}", begin + b"2c\r\n" + GOOD + b"\r\n0" + end, REFUSED
    for wrong in (b"2b", b"2d", b"1", b"2cc"):
        yield f"size {named(wrong)} of 44 bytes", begin + wrong + b"\r\n" + GOOD + b"\r\n0\r\n\r\n", CUT if wrong == b"2cc" else REFUSED
    each = b"".join(b"1;%d=x\r\n%c\r\n" % (number, byte) for number, byte in enumerate(GOOD)) + b"0\r\n\r\n"
    yield "a chunk and an extension for each byte", begin + each, (201,)
    yield "size beyond what memory has", begin + b"ffffffffffffffff\r\n" + GOOD, CUT
    yield "no last chunk", begin + b"2c\r\n" + GOOD + b"\r\n", REFUSED
    yield "no chunk", begin + b"0\r\n\r\n", (400,)
    yield "a request as a chunk", begin + b"1f\r\n" + SMUGGLED + b"\r\n0\r\n\r\n", (400,)
    yield "of a request that has no body", ASK + b"Host: x\r\n" + CHUNKED + b"\r\n1f\r\n" + SMUGGLED + b"\r\n0\r\n\r\n", (200,)


TRAILERS: Mapping[bytes, bool] = {
    b"X: y\r\n": True,
    b"X: y\r\nZ: y\r\n": True,
    b"Content-Length: 44\r\n": False,
    b"Transfer-Encoding: chunked\r\n": False,
    b"Host: evil.example\r\n": True,
    b"Authorization: Basic eDp5\r\n": True,
    b"X : y\r\n": False,
    b" X: y\r\n": False,
    b"X: y\n": False,
    b"X: y\rZ: y\r\n": False,
    b"X: y\r\n folded\r\n": False,
    b"X\0: y\r\n": False,
    b"X: y\0\r\n": False,
    b": y\r\n": False,
    b"X\r\n": False,
}


def trailers() -> Rows:
    for lines, taken in TRAILERS.items():
        said = REGISTER + CHUNKED + b"\r\n2c\r\n" + GOOD + b"\r\n0\r\n" + lines + b"\r\n"
        yield named(lines), said, (201,) if taken else REFUSED


# ── Lines, names and values ──────────────────────────────────────────────────────────────────────────────────────────


def line_ends() -> Rows:
    yield "bare line feeds", b"GET /healthz HTTP/1.1\nHost: x\n\n", REFUSED
    yield "bare carriage returns", b"GET /healthz HTTP/1.1\rHost: x\r\r", REFUSED
    for end in (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x0b", b"\x0c", b"\x85", b"\0", b"\0\r\n", b"\xe2\x80\xa8", b" \n"):
        yield f"first line ends with {named(end)}", b"GET /healthz HTTP/1.1" + end + b"Host: x\r\n\r\n", REFUSED
        yield f"head ends with {named(end)}", ASK + b"Host: x\r\n" + end + ASK + b"Host: x\r\n\r\n", REFUSED
    for end in (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0", b"\0\r\n"):
        yield f"a header ends with {named(end)}", ASK + b"Host: x\r\nX: y" + end + b"Z: y\r\n\r\n", REFUSED
    for fold in (b"\r\n ", b"\r\n\t", b"\r\n \r\n ", b"\n ", b"\r\n  \t "):
        yield f"folded by {named(fold)}", ASK + b"Host: x\r\nX: y" + fold + b"z\r\n\r\n", REFUSED
        yield f"first header folded by {named(fold)}", ASK + fold.lstrip(b"\r\n") + b"X: y\r\nHost: x\r\n\r\n", REFUSED
    yield "empty lines before", b"\r\n\r\n" + ASK + b"Host: x\r\n\r\n", (200,)
    yield "a line feed before", b"\n" + ASK + b"Host: x\r\n\r\n", (200,)
    yield "a space before", b" " + ASK + b"Host: x\r\n\r\n", REFUSED
    yield "a mark of byte order before", b"\xef\xbb\xbf" + ASK + b"Host: x\r\n\r\n", REFUSED


def names() -> Rows:
    for code in CONTROLS:
        if code not in b"\r\n":
            yield f"control {code:02x}", ASK + b"Host: x\r\nX%cY: z\r\n\r\n" % code, REFUSED
    for byte in b'()<>@,;:\\"/[]?={} ':
        if byte != ord(":"):
            yield f"delimiter {named(bytes([byte]))}", ASK + b"Host: x\r\nX%cY: z\r\n\r\n" % byte, REFUSED
    for byte in (0x80, 0xA0, 0xC3, 0xFF):
        yield f"beyond ASCII {byte:02x}", ASK + b"Host: x\r\nX%cY: z\r\n\r\n" % byte, REFUSED
    for byte in b"!#$%&'*+-.^_`|~09Az":
        yield f"token {named(bytes([byte]))}", ASK + b"Host: x\r\nX%cY: z\r\n\r\n" % byte, (200,)
    yield "none", ASK + b"Host: x\r\n: y\r\n\r\n", REFUSED
    yield "no colon", ASK + b"Host: x\r\nXY\r\n\r\n", REFUSED
    yield "colon twice", ASK + b"Host: x\r\nX:: y\r\n\r\n", (200,)
    yield "colon alone", ASK + b"Host: x\r\n:\r\n\r\n", REFUSED


def values() -> Rows:
    for code in CONTROLS:
        if code not in b"\r\n\t":
            yield f"control {code:02x}", ASK + b"Host: x\r\nX: y%cz\r\n\r\n" % code, REFUSED
    for byte in (0x80, 0xA0, 0xFF):
        yield f"beyond ASCII {byte:02x}", ASK + b"Host: x\r\nX: y%cz\r\n\r\n" % byte, (200,)
    for value in (b"", b" ", b"\t", b"a\tb", b"a" * 8000, b'"', b"\\", b"%00", b"%0d%0aX: y", b"=?utf-8?q?x?="):
        yield named(value), ASK + b"Host: x\r\nX:" + value + b"\r\n\r\n", (200,)


# ── The first line ───────────────────────────────────────────────────────────────────────────────────────────────────

HOST = b" HTTP/1.1\r\nHost: x\r\n\r\n"
METHODS: Mapping[bytes, Wanted | tuple[int, ...]] = {
    b"GET": (200,),
    b"POST": (405,),
    b"PUT": (405,),
    b"DELETE": (405,),
    b"PATCH": (405,),
    b"OPTIONS": (204,),
    b"TRACE": (405,),
    b"PROPFIND": (405,),
    b"get": REFUSED,
    b"Get": REFUSED,
    b"G": REFUSED,
    b"GETS": REFUSED,
    b"GE T": REFUSED,
    b"GET\t": REFUSED,
    b"GET\0": REFUSED,
    b"\0GET": REFUSED,
    b"G\xc3\x89T": REFUSED,
    b"GET,POST": REFUSED,
    b'"GET"': REFUSED,
    b"": REFUSED,
    b"X" * 8000: REFUSED,
    b"FOO": REFUSED,
    b"_method": REFUSED,
    b"CONNECT": REFUSED,
    b"PRI": REFUSED,
    b"QUERY": (405,),
    b"SETUP": REFUSED,
    b"HTTP/1.1 200": REFUSED,
}
VERSIONS: Mapping[bytes, Wanted | tuple[int, ...]] = {
    b"HTTP/1.1": (200,),
    b"http/1.1": REFUSED,
    b"Http/1.1": REFUSED,
    b"HTTP/0.9": REFUSED,
    b"HTTP/1.2": REFUSED,
    b"HTTP/1.10": REFUSED,
    b"HTTP/1.01": REFUSED,
    b"HTTP/01.1": REFUSED,
    b"HTTP/1": REFUSED,
    b"HTTP/1.": REFUSED,
    b"HTTP/.1": REFUSED,
    b"HTTP/2": REFUSED,
    b"HTTP/2.0": REFUSED,
    b"HTTP/3.0": REFUSED,
    b"HTTP/9.9": REFUSED,
    b"HTTP/-1.1": REFUSED,
    b"HTTP/1,1": REFUSED,
    b"HTTP/1.1x": REFUSED,
    b"HTTP/1.1 x": REFUSED,
    b"HTTP/1.1 HTTP/1.1": REFUSED,
    b"HTTP 1.1": REFUSED,
    b"HTTP//1.1": REFUSED,
    b"HTTPS/1.1": REFUSED,
    b"XTTP/1.1": REFUSED,
    b"RTSP/1.0": (200, ENDS),
    b"ICE/1.0": REFUSED,
    b"HTTP/1.1\0": REFUSED,
    b"\0HTTP/1.1": REFUSED,
    b"HTTP/\xd9\xa1.1": REFUSED,
}


def first_lines() -> Rows:
    for method, wanted in METHODS.items():
        yield f"method {named(method)}", method + b" /healthz" + HOST, wanted
    for version, wanted in VERSIONS.items():
        yield f"version {named(version)}", b"GET /healthz " + version + b"\r\nHost: x\r\n\r\n", wanted
    for place in (b"GET  /healthz HTTP/1.1", b"GET /healthz  HTTP/1.1"):
        yield f"two spaces {named(place)}", place + b"\r\nHost: x\r\n\r\n", (200,)
    for gap in (b"\t", b"\0", b"\x0b", b"\x0c", b"\xa0", b""):
        yield f"method, {named(gap)}, target", b"GET" + gap + b"/healthz" + HOST, REFUSED
        yield f"target, {named(gap)}, version", b"GET /healthz" + gap + b"HTTP/1.1\r\nHost: x\r\n\r\n", REFUSED
    yield "space at its end", b"GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n", REFUSED
    yield "as of HTTP/0.9", b"GET /healthz\r\n", REFUSED
    yield "as of HTTP/0.9, of another path", b"GET /jwks\r\n\r\n", REFUSED
    yield "no target", b"GET  HTTP/1.1\r\nHost: x\r\n\r\n", REFUSED
    yield "only a target", b"/healthz\r\nHost: x\r\n\r\n", REFUSED
    yield "an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", REFUSED
    yield "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSED
    yield "HTTP/2 and its settings", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", REFUSED
    yield "TLS 1.2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", REFUSED
    yield "SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", REFUSED
    yield "the word of a proxy", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + ASK + b"Host: x\r\n\r\n", REFUSED
    yield "the bytes of a proxy", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12), REFUSED
    yield "SMTP", b"EHLO evil.example\r\n", REFUSED
    yield "Redis", b"*1\r\n$4\r\nPING\r\n", REFUSED
    yield "SSH", b"SSH-2.0-x\r\n", REFUSED
    yield "zeros", bytes(4096), REFUSED
    yield "ones", b"\xff" * 4096, REFUSED


# ── Targets and hosts ────────────────────────────────────────────────────────────────────────────────────────────────

TARGETS: Mapping[bytes, Wanted | tuple[int, ...]] = {
    b"/healthz": (200,),
    b"/healthz?": (200,),
    b"/healthz?a=%zz&b=%": (200,),
    b"/healthz?%00": (200,),
    b"/%68ealthz": (200,),
    b"/healthz%": (404,),
    b"/healthz%2": (404,),
    b"/healthz%zz": (404,),
    b"/healthz%00": (404,),
    b"/healthz%0d%0aX:%20y": (404,),
    b"/healthz%ff": (404,),
    b"/healthz%c0%80": (404,),
    b"/healthz%u0000": (404,),
    b"/%2568ealthz": (404,),
    b"/healthz\\": (404,),
    b"/healthz/..": (404,),
    b"/%c0%ae%c0%ae/keyring.json": (404,),
    b"/../../../../etc/passwd": (404,),
    b"/..%c0%af..%c0%afetc/passwd": (404,),
    b"//evil.example/healthz": (404,),
    b"/\\evil.example": (404,),
    b"/" + b"a" * 20_000: (404,),
    b"/" + b"%41" * 8000: (404,),
    b"/" + b"../" * 8000: (404,),
    b"/healthz?" + b"a=b&" * 8000: (200,),
    b"http://x/healthz": (200,),
    b"https://x/healthz": (200,),
    b"http://evil.example/healthz": (200,),
    b"http://evil.example:99999/healthz": REFUSED,
    b"http://user:secret@x/healthz": (200,),
    b"http://[::1]/healthz": (200,),
    b"http://x": REFUSED,
    b"http://x?/healthz": REFUSED,
    b"HTTP://x/healthz": (200,),
    b"ftp://x/healthz": (200,),
    b"file:///etc/passwd": REFUSED,
    b"javascript:alert(1)": REFUSED,
    b"http:/healthz": REFUSED,
    b"http:///healthz": REFUSED,
    b"http://": REFUSED,
    b"://x/healthz": REFUSED,
    b"http://x y/healthz": REFUSED,
    b"x:80": REFUSED,
    b"evil.example": REFUSED,
    b"evil.example:443": REFUSED,
    b"healthz": REFUSED,
    b"?healthz": REFUSED,
    b"#healthz": REFUSED,
    b"%2fhealthz": REFUSED,
    b"\\healthz": REFUSED,
    b"../healthz": REFUSED,
    b"*": (404,),
    b"*/healthz": (404,),
    b"/healthz\0": REFUSED,
    b"/heal\0thz": REFUSED,
    b"/healthz\x7f": REFUSED,
    b"/healthz\x01": REFUSED,
    b"/healthz\xc3\xa4": REFUSED,
    b"/healthz\xff": REFUSED,
    b"/healthz#x": (200,),
    b"/healthz x": REFUSED,
    b"/healthz\tx": REFUSED,
    b"/" + b"a" * 1_000_000: REFUSED,
    b"/healthz?" + b"a" * 1_000_000: REFUSED,
    b"http://" + b"a" * 1_000_000 + b"/healthz": REFUSED,
}
HOSTS: Mapping[bytes, Wanted | tuple[int, ...]] = {
    b"Host: x\r\n": (200,),
    b"HOST: x:8000\r\n": (200,),
    b"host:x\r\n": (200,),
    b"Host: [::1]:80\r\n": (200,),
    b"Host: 127.0.0.1\r\n": (200,),
    b"Host:\r\n": (200,),
    b"": (400,),
    b"X-Host: x\r\n": (400,),
    b"X-Forwarded-Host: x\r\n": (400,),
    b"Host: x\r\nHost: x\r\n": (400,),
    b"Host: x\r\nHost: y\r\n": (400,),
    b"Host: x\r\nhost: x\r\n": (400,),
    b"Host: x\r\nHost:\r\n": (400,),
    b"Host: x,y\r\n": (200,),
    b"Host: x, y\r\n": (400,),
    b"Host: x y\r\n": (400,),
    b"Host: x/healthz\r\n": (400,),
    b"Host: user@x\r\n": (400,),
    b"Host: x#y\r\n": (400,),
    b"Host: x?y\r\n": (400,),
    b"Host: x:80:80\r\n": (400,),
    b"Host: x:port\r\n": (400,),
    b"Host: [::1\r\n": (400,),
    b"Host: x\\y\r\n": (400,),
    b"Host: x\xff\r\n": (400,),
    b'Host: "><script>\r\n': (400,),
    b"Host: " + b"a" * 4096 + b"\r\n": (200,),
    b"Host : x\r\n": REFUSED,
    b"Host\r\n": REFUSED,
    b"Host: x\0\r\n": REFUSED,
    b"Host: x\ry\r\n": REFUSED,
    b"Host: x\r\n y\r\n": REFUSED,
}


def targets() -> Rows:
    for target, wanted in TARGETS.items():
        yield named(target), b"GET " + target + HOST, wanted
    for method in (b"CONNECT", b"GET", b"POST"):
        yield f"{method.decode()} with authority and port", method + b" evil.example:443" + HOST, REFUSED
    yield "OPTIONS *", b"OPTIONS *" + HOST, (404,)


def hosts() -> Rows:
    for lines, wanted in HOSTS.items():
        yield named(lines), ASK + lines + b"\r\n", wanted
    yield "none in HTTP/1.0", b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", (200, ENDS)
    yield "two in HTTP/1.0", b"GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", (400, ENDS)


# ── What is asked of the connection ──────────────────────────────────────────────────────────────────────────────────

ASIDES: Mapping[bytes, Wanted | tuple[int, ...]] = {
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n": (200,),
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n": (200,),
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n": (200,),
    b"Upgrade: websocket\r\n": (200,),
    b"Connection: Upgrade\r\n": (200,),
    b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n": (200,),
    b"Connection: Upgrade\r\nUpgrade: HTTP/2.0, h2c, websocket\r\n": (200,),
    b"Expect: 100-continue\r\n": (200,),
    b"Expect: 200-ok\r\n": (200,),
    b"Expect:\r\n": (200,),
    b"TE: trailers, chunked\r\n": (200,),
    b"Trailer: Authorization\r\n": (200,),
    b"Connection: Host\r\n": (200,),
    b"Connection: Transfer-Encoding\r\n": (200,),
    b"Connection: keep-alive, keep-alive\r\n": (200,),
    b"Keep-Alive: timeout=999999, max=999999\r\n": (200,),
    b"Proxy-Connection: close\r\n": (200, ENDS),
    b"Max-Forwards: 0\r\n": (200,),
    b"Range: bytes=" + b"0-1," * 2000 + b"0-1\r\n": (200,),
    b"If-Match: *\r\n": (200,),
    b"Accept-Encoding: gzip;q=nan\r\n": (200,),
    b"Cookie: " + b"a=b; " * 3000 + b"\r\n": (200,),
}


def asides() -> Rows:
    for lines, wanted in ASIDES.items():
        yield named(lines), ASK + b"Host: x\r\n" + lines + b"\r\n", wanted
    expecting = REGISTER + LENGTH + b"Expect: "
    yield "Expect with a body at once", expecting + b"100-continue\r\n\r\n" + GOOD, (201,)
    yield "Expect in capitals", expecting + b"100-CONTINUE\r\n\r\n" + GOOD, (201,)
    yield (
        "Expect in HTTP/1.0",
        b"POST /register HTTP/1.0\r\nConnection: keep-alive\r\n" + USUAL + LENGTH + b"Expect: 100-continue\r\n\r\n" + GOOD,
        (
            201,
            ENDS,
        ),
    )
    upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    yield "an upgrade with a body", REGISTER + upgrade + LENGTH + b"\r\n" + GOOD, (201,)
    yield "an upgrade with a chunked body", REGISTER + upgrade + CHUNKED + b"\r\n" + WHOLE, (201,)
    yield "an upgrade, and what a proxy takes for HTTP/2", ASK + b"Host: x\r\n" + upgrade + b"\r\nPRI * HTTP/2.0\r\n\r\n", (400, ENDS)


# ── Many, and much ───────────────────────────────────────────────────────────────────────────────────────────────────


def pipelines() -> Rows:
    good = ASK + b"Host: x\r\n\r\n"
    post = REGISTER + LENGTH + b"\r\n" + GOOD
    yield "a hundred", good * 100, (200,) * 100
    yield "registrations between", (good + post) * 5, (200, 201) * 5
    yield "of chunks", (REGISTER + CHUNKED + b"\r\n" + WHOLE) * 3, (201,) * 3
    yield "empty lines between", (good + b"\r\n\r\n") * 3, (200,) * 3
    yield "wrong paths between", (good + b"GET /nothing" + HOST) * 3, (200, 404) * 3
    yield "a body of a request refused for its type", REGISTER.replace(b"json", b"xml") + b"Content-Length: 31\r\n\r\n" + SMUGGLED, (415,)
    yield "a body of a request to nowhere", b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" + SMUGGLED, (404,)
    yield "a body of a wrong method", b"DELETE /token HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" + SMUGGLED, (405,)


def much() -> Rows:
    yield "ten thousand headers", ASK + b"Host: x\r\n" + b"X: a\r\n" * 10_000 + b"\r\n", (400,)
    yield "ten thousand names", ASK + b"Host: x\r\n" + b"".join(b"X%d:\r\n" % number for number in range(10_000)) + b"\r\n", (400,)
    yield "a hundred headers", ASK + b"Host: x\r\n" + b"X: a\r\n" * 100 + b"\r\n", (200,)
    yield "a header of 40 kB", ASK + b"Host: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", (400,)
    yield "a name of 40 kB", ASK + b"Host: x\r\n" + b"a" * 40_000 + b": y\r\n\r\n", (400,)
    yield "a method of 100 kB", b"A" * 100_000 + b" /healthz" + HOST, REFUSED
    yield "a version of 100 kB", b"GET /healthz HTTP/1." + b"1" * 100_000 + b"\r\nHost: x\r\n\r\n", REFUSED
    yield "a hundred thousand empty lines", b"\r\n" * 100_000, REFUSED
    yield "a thousand codings", REGISTER + b"Transfer-Encoding: chunked\r\n" * 1000 + b"\r\n", REFUSED
    yield "a thousand lengths", REGISTER + b"Content-Length: 0\r\n" * 1000 + b"\r\n", REFUSED


KINDS: Mapping[str, Sequence[tuple[str, bytes, Wanted | tuple[int, ...]]]] = {
    "coding": list(codings()),
    "coding line": list(coding_names()),
    "length": list(lengths()),
    "chunk": list(chunks()),
    "trailer": list(trailers()),
    "line end": list(line_ends()),
    "name": list(names()),
    "value": list(values()),
    "first line": list(first_lines()),
    "target": list(targets()),
    "host": list(hosts()),
    "aside": list(asides()),
    "pipeline": list(pipelines()),
    "much": list(much()),
}
CORPUS = [Case(kind, *row) for kind, rows in KINDS.items() for row in rows]
