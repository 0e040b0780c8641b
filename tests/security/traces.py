"""What a credential would look like if it had been written down somewhere: every spelling, and long enough pieces of it."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar
from urllib.parse import quote

from calling_card.protocol.handles.credentials import KINDS, Kind
from calling_card.protocol.handles.seals import ACCESS_TOKEN

Whole = TypeVar("Whole", bytes, str)

PIECE = 16
"""Bytes or characters of a secret that must not be found together: 96 bits and more."""
_HEAD, _GENERATION = 4, 4
_DIGESTS = ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b")


@dataclass(frozen=True)
class Credential:
    """One credential, and which part of it nobody may know.

    Client key, incarnation and generation stand in the row; what makes a handle a credential is its MAC (CREDENTIALS §1). Of a sealed
    access token everything behind the key number is secret, of a signed one its signature, of any other text all of it.
    """

    name: str
    text: str
    decoded: bytes = b""
    """What the text spells, where it is no credential of ours."""

    @cached_property
    def secret(self) -> bytes:
        """The secret part, decoded."""
        kind = kind_of(self.text)
        if kind is not None:
            return _decoded(self.text.removeprefix(kind.prefix))[-kind.mac :]
        if self.text.startswith(ACCESS_TOKEN.prefix):
            return _decoded(self.text.removeprefix(ACCESS_TOKEN.prefix))[3:]
        if self.text.count(".") == 2:
            return _decoded(self.text.rpartition(".")[2])
        return self.decoded or self.text.encode()

    @cached_property
    def tail(self) -> str:
        """The characters of the text that say nothing but the secret part."""
        kind = kind_of(self.text)
        if kind is not None:
            return self.text[len(kind.prefix) + -(-8 * (_HEAD + kind.owner + _GENERATION) // 6) :]
        if self.text.startswith(ACCESS_TOKEN.prefix):
            return self.text[len(ACCESS_TOKEN.prefix) + 4 :]
        return self.text.rpartition(".")[2]

    @cached_property
    def traces(self) -> Mapping[str, tuple[bytes, ...]]:
        """Name of a spelling to the byte strings of which none may be found."""
        return dict(_traces(self))


def kind_of(text: str) -> Kind | None:
    """Which handle a text is."""
    return next((kind for kind in KINDS if text.startswith(kind.prefix)), None)


def found(places: Mapping[str, bytes], credentials: Iterable[Credential]) -> list[str]:
    """Every trace there is, as a sentence."""
    return [
        f"{credential.name} as {spelling} in {place}"
        for credential in credentials
        for spelling, traces in credential.traces.items()
        for place, content in places.items()
        if any(trace in content for trace in traces)
    ]


def spellings(credential: Credential) -> Mapping[str, bytes]:
    """What somebody careless could have written down, one whole value for each spelling."""
    text, secret = credential.text.encode(), credential.secret
    return {
        "text": text,
        "piece": credential.tail[3 : 3 + PIECE + 8].encode(),
        "secret part": secret,
        "piece of the secret part": secret[2 : 2 + PIECE + 8],
        "reversed": text[::-1],
        "reversed secret part": secret[::-1],
        "utf-16-le": credential.text.encode("utf-16-le"),
        "utf-16-be": credential.text.encode("utf-16-be"),
        "url": quote(base64.b64encode(text), safe="").encode(),
        "hex": text.hex().encode(),
        "upper hex": secret.hex().upper().encode(),
        "hex of the secret part": secret.hex().encode(),
        "base64": base64.b64encode(b"Basic:" + text),
        "base64url": base64.urlsafe_b64encode(b"x" + text),
        "base64 of the secret part": base64.b64encode(secret),
        "base64url of the secret part": base64.urlsafe_b64encode(secret).rstrip(b"="),
        "base32": base64.b32encode(text),
        **{f"{name} digest": hashlib.new(name, text).digest() for name in _DIGESTS},
        **{f"{name} hex": hashlib.new(name, text).hexdigest().encode() for name in _DIGESTS},
    }


def _traces(credential: Credential) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    tail, secret = credential.tail, credential.secret
    yield "text", tuple(piece.encode() for piece in pieces(tail))
    yield "reversed text", tuple(piece[::-1].encode() for piece in pieces(tail))
    yield "utf-16", tuple(piece.encode(name) for piece in pieces(tail) for name in ("utf-16-le", "utf-16-be"))
    yield "secret part", tuple(bytes(piece) for piece in pieces(secret))
    yield "reversed secret part", tuple(bytes(piece[::-1]) for piece in pieces(secret))
    for whole, value in (("text", tail.encode()), ("secret part", secret)):
        yield f"hex of the {whole}", tuple(piece.hex().encode() for piece in pieces(value))
        yield f"upper hex of the {whole}", tuple(piece.hex().upper().encode() for piece in pieces(value))
        yield f"base64 of the {whole}", tuple(_shifted(value, base64.b64encode, 3, 4))
        yield f"base64url of the {whole}", tuple(_shifted(value, base64.urlsafe_b64encode, 3, 4))
        yield f"base32 of the {whole}", tuple(_shifted(value, base64.b32encode, 5, 8))
    digests = [hashlib.new(name, value).digest() for name in _DIGESTS for value in (credential.text.encode(), tail.encode(), secret)]
    yield "digest", tuple(digest[:PIECE] for digest in digests)
    yield "digest in hex", tuple(spelled for digest in digests for spelled in (digest.hex().encode(), digest.hex().upper().encode()))
    yield (
        "digest in base64",
        tuple(spelled.rstrip(b"=") for digest in digests for spelled in (base64.b64encode(digest), base64.urlsafe_b64encode(digest))),
    )


def pieces(whole: Whole) -> Iterator[Whole]:
    """Overlapping pieces, so that whatever is half as long again holds one of them."""
    for start in range(0, max(len(whole) - PIECE, 0) + 1, PIECE // 2):
        yield whole[start : start + PIECE]


def _shifted(value: bytes, encode: Callable[[bytes], bytes], unit: int, letters: int) -> Iterator[bytes]:
    """A value as it is spelled at any place inside another one, in pieces."""
    for shift in range(unit):
        spelled = encode(b"\0" * shift + value).rstrip(b"=")
        yield from pieces(spelled[letters if shift else 0 : -letters])


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
