"""What is fetched from strangers: for what purpose, what comes back, and why not (D-14 to D-20, D-47, D-48; RFC 9110)."""

from dataclasses import dataclass
from enum import Enum

from calling_card.protocol.errors import No


@dataclass(frozen=True, slots=True)
class Purpose:
    """One kind of thing that is fetched."""

    name: str
    """For texts and logs: "client metadata document"."""
    accept: str
    """Value of the ``Accept`` header."""
    media: tuple[str, ...]
    """Media types that are taken; ``+json`` stands for ``application/<something>+json``."""
    limit: int
    """Bytes after decompression."""
    least: int = 0
    """Seconds that it is kept in memory whatever HTTP says (R-48)."""

    def takes(self, media: str) -> bool:
        """Whether a media type, in lower case and without parameters, is one of those that are taken."""
        json = (
            "+json" in self.media and media.startswith("application/") and media.endswith("+json") and len(media) > len("application/+json")
        )
        return media in self.media or json


DOCUMENT = Purpose("client metadata document", "application/json", ("application/json", "+json"), 5120)
KEY_SET = Purpose("key set", "application/jwk-set+json, application/json", ("application/json", "+json"), 65536, least=60)
SECTOR = Purpose("sector identifier document", "application/json", ("application/json", "+json"), 65536)
WEBHOOK = Purpose("webhook", "*/*", (), 4096)
LOGO = Purpose("logo", "image/png, image/webp, image/jpeg, image/gif", ("image/png", "image/webp", "image/jpeg", "image/gif"), 262144)


class Why(Enum):
    """Why something was not fetched: what its owner may know (D-48), and which refusal it is (D-47).

    Whatever happens on the network has one text, so that nobody reads the network from it (X-02).
    """

    ADDRESS = ("has an address that is not fetched from", No.UNKNOWN_CLIENT)
    UNREACHABLE = (
        "could not be fetched: its host has to answer by https with a valid certificate, from public addresses",
        No.UNKNOWN_CLIENT,
    )
    SLOW = ("did not arrive in time", No.UNKNOWN_CLIENT)
    STATUS = ("was not answered with status 200; redirects are not followed", No.UNKNOWN_CLIENT)
    GONE = ("is not there: the status was 404 or 410", No.UNKNOWN_CLIENT)
    BROKEN = ("could not be served by its host: the status was 5xx", No.UNKNOWN_CLIENT)
    MEDIA = ("has another media type than is taken", No.INVALID_CLIENT_METADATA)
    ENCODING = ("is encoded in another way than identity or gzip", No.INVALID_CLIENT_METADATA)
    SIZE = ("is larger than is taken", No.INVALID_CLIENT_METADATA)
    BUSY = ("is not fetched now: too much is being fetched", No.UNAVAILABLE)

    @property
    def text(self) -> str:
        """What is told, to go on behind the name of the purpose."""
        return self.value[0]

    @property
    def no(self) -> No:
        """The refusal at the authorization endpoint."""
        return self.value[1]

    @property
    def passing(self) -> bool:
        """Whether an older version may stand in, because nothing was said about the document itself (D-46)."""
        return self in (Why.UNREACHABLE, Why.SLOW, Why.BROKEN, Why.BUSY)


class Unfetched(Exception):
    """Nothing was fetched; ``logged`` is for the log alone."""

    def __init__(self, why: Why, logged: str = "") -> None:
        """``logged`` may name addresses, statuses and errors."""
        super().__init__(f"{why.name}: {logged}")
        self.why = why
        self.logged = logged


@dataclass(frozen=True, slots=True)
class Fetched:
    """A good answer: status 200, or 304 to a conditional request."""

    status: int
    body: bytes
    """After decompression; empty with 304."""
    at: int
    """Seconds since 1970 when it came."""
    cache_control: str = ""
    expires: str = ""
    date: str = ""
    age: str = ""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Posted:
    """What somebody answered to what was brought to them, be it good or bad."""

    status: int
    body: bytes
    """As much of it as the purpose takes, as it came."""
    retry_after: int = 0
    """Seconds that they want to be left alone; 0: they did not say so in seconds."""
