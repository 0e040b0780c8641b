"""What a client's row must say after each request: CREDENTIALS §9.1 in a few lines of its own, apart from the code under test."""

import base64
import hashlib
import json
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

SHAPES = ("client_secret_basic", "none")
"""Bodies alternate between a client with a secret and one without, so that a replacement touches card, token and secret at once."""
SERVER_MEMBERS = (
    "client_id",
    "client_secret",
    "client_secret_expires_at",
    "client_id_issued_at",
    "registration_access_token",
    "registration_client_uri",
)
_HANDLE = struct.Struct(">BBH16s8sI")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a client's credential says about itself."""

    client_key: bytes
    incarnation: bytes
    generation: int


def spoken(token: str) -> Spoken:
    """A registration access token or client secret taken apart (CREDENTIALS §1)."""
    text = token.split("_", 2)[2]
    _, _, _, key, incarnation, generation = _HANDLE.unpack_from(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return Spoken(key, incarnation, generation)


@dataclass(frozen=True, slots=True)
class Body:
    """A registration body: whose, how authenticated, and a number that stands in most of its members."""

    name: str
    shape: str
    version: int

    def written(self, client_id: str = "") -> bytes:
        """Its bytes; a replacement names the client."""
        named = {"client_id": client_id} if client_id else {}
        return json.dumps({**named, **self.members()}).encode()

    def members(self) -> Mapping[str, object]:
        """What it says."""
        place = f"https://app.example/{self.name}/{self.version}"
        return {
            "client_name": self.name,
            "client_uri": place,
            "redirect_uris": [place],
            "contacts": [f"v{self.version}@app.example"],
            "software_version": str(self.version),
            "token_endpoint_auth_method": self.shape,
        }


def digest_of(body: bytes) -> bytes:
    """By which a repeated replacement is known."""
    return hashlib.sha256(body).digest()[:16]


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that one request changes as a whole: card, generations, secret, events."""

    body: Body
    confirmed: int = 1
    issued: int = 1
    digest: bytes | None = None
    secret: int = 0
    """Newest generation of the secret; 0: never had one."""
    secret_lives: bool = False
    replaced: int = 0
    """How many replacements were applied."""
    confirmations: int = 0
    """How many times a successor was first used by reading."""
    gone: bool = False

    def shown(self, generation: int) -> "Standing":
        """After a GET; the successor's first use ends its predecessor."""
        if generation == self.issued > self.confirmed:
            return replace(self, confirmed=self.issued, digest=None, confirmations=self.confirmations + 1)
        return self

    def put(self, generation: int, body: Body, digest: bytes) -> "Standing":
        """After a PUT; within a minute the same one with the same token changes nothing."""
        if generation == self.confirmed < self.issued and digest == self.digest:
            return self
        confirmed = self.issued if generation == self.issued else self.confirmed
        lives = body.shape != "none"
        return replace(
            self,
            body=body,
            confirmed=confirmed,
            issued=self.issued + 1,
            digest=digest,
            secret=self.secret + 1 if lives and not self.secret_lives else self.secret,
            secret_lives=lives,
            replaced=self.replaced + 1,
        )

    def deleted(self) -> "Standing":
        """After a DELETE with either of the living tokens."""
        return replace(self, gone=True)

    def events(self) -> Counter[str]:
        """The events that such a history has left, by kind."""
        left = Counter(client_registered=1, client_replaced=self.replaced, rat_confirmed=self.confirmations, client_deleted=int(self.gone))
        return +left


def born(body: Body) -> Standing:
    """After a POST."""
    lives = body.shape != "none"
    return Standing(body, secret=int(lives), secret_lives=lives)
