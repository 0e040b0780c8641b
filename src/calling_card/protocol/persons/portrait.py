"""How a client is shown to the person it asks: what it says of itself, and what we know (RFC 7591 §5, D-40 to D-42)."""

from collections.abc import Sequence
from dataclasses import dataclass

from calling_card.protocol.abroad.addresses import AddressError, host_of, is_loopback_host, split_url
from calling_card.protocol.abroad.documents import Version
from calling_card.protocol.abroad.lookalikes import likeness, namesake, written
from calling_card.protocol.card.languages import choose
from calling_card.protocol.clients import JSON, Card, Client, Route, Tier
from calling_card.protocol.trust.statements import Vouched, stands, states_name

LINKS = ("client_uri", "policy_uri", "tos_uri")
"""Members with a page that a person may want to read first."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason to look twice at who is asking."""

    kind: str
    """``host``: it is easily taken for another one; ``name``: it is that of another one; ``letters``: they deceive."""
    host: str
    """That the doubt is about."""
    known: str = ""
    """Domain of the one that it is not."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """A client as pages show it; texts of its own are self-asserted unless ``vouched`` says who stands behind them."""

    client_id: str
    name: str
    named: bool
    """Whether the client has a name; else ``name`` is its client_id."""
    introduced_at: int
    """Seconds since 1970; of a client that is an address, when it was first seen."""
    vouched: str
    """``operator``, ``statement`` or ``invitation``; empty: nobody, it introduced itself."""
    redirect_host: str
    """Host, or scheme of a private-use redirect."""
    redirect_kind: str
    """``web``, ``loopback`` or ``private``."""
    links: tuple[tuple[str, str], ...]
    """Member name and URL, in the reader's language."""
    languages: tuple[str, ...] = ()
    """What the reader prefers, best first."""
    host: str = ""
    """Host of the client_id that published the description; empty: the client_id is no address."""
    changed_at: int = 0
    """When the description became what it is, if it was another one before; 0: it was not."""
    in_development: bool = False
    """Whether nobody publishes it: it lies here for a developer, or its address is this device (D-52)."""
    logo: str = ""
    """Where the picture is that it wants to be shown with; empty: it has none, or may not pass for somebody else."""
    doubts: tuple[Doubt, ...] = ()
    voucher: str = ""
    """Who made the statement, in words for people."""
    name_vouched: bool = False
    """Whether the name is from somebody else than the client."""
    key: bytes = b""
    """Of the client; its logo is shown as long as it is there."""

    @property
    def elsewhere(self) -> bool:
        """Whether the access goes to another host of the web than the one that published the description (D-41)."""
        return bool(self.host) and self.redirect_kind == "web" and self.redirect_host != self.host


def portrait(
    client: Client,
    card: Card,
    redirect_uri: str,
    languages: Sequence[str],
    version: Version | None = None,
    vouched: Vouched | None = None,
) -> Portrait:
    """The client as a reader of these languages sees it (R-53, R-85); without a redirect URI it is the one the client registered.

    ``version`` is the newest of its description, for a client that is an address; ``vouched`` the statement it came with.
    """
    vouched = vouched if vouched is not None and stands(vouched) else None
    name = _text(card, "client_name", languages)
    kind, redirect_host = redirect_of(redirect_uri or _first(card.get("redirect_uris")))
    links = [(member, _text(card, member, languages)) for member in LINKS]
    host = "" if client.route is Route.REGISTERED else host_of(client.client_id)
    doubts = () if client.tier is Tier.ADMIN else _doubts(name, host, redirect_host if kind == "web" else "")
    return Portrait(
        client_id=client.client_id,
        name=name or client.client_id,
        named=bool(name),
        introduced_at=client.issued_at,
        vouched=_vouched(client, vouched),
        redirect_host=redirect_host,
        redirect_kind=kind,
        links=tuple((member, url) for member, url in links if url),
        languages=tuple(languages),
        host=host,
        changed_at=version.seen_at if version is not None and version.number > 1 else 0,
        in_development=is_loopback_host(host) or (version is not None and not version.url),
        logo="" if doubts else _text(card, "logo_uri", languages),
        doubts=doubts,
        voucher="" if vouched is None else vouched.issuer.shown,
        name_vouched=client.tier is Tier.ADMIN or (vouched is not None and states_name(vouched)),
        key=client.key,
    )


def _vouched(client: Client, vouched: Vouched | None) -> str:
    """Who stands behind a client; a statement of somebody who is not trusted any more is nobody's word (R-85)."""
    if client.tier is Tier.ADMIN:
        return "operator"
    if vouched is not None:
        return "statement"
    return "invitation" if client.tier is Tier.TOKEN or client.invitation else ""


def _text(card: Card, member: str, languages: Sequence[str]) -> str:
    value = choose(card, member, languages)
    return value if isinstance(value, str) else ""


def _first(value: JSON) -> str:
    return value[0] if isinstance(value, list) and value and isinstance(value[0], str) else ""


def redirect_of(uri: str) -> tuple[str, str]:
    """Where a redirect leads: ``web``, ``loopback`` or ``private``, and the host or scheme to show."""
    host = host_of(uri)
    if host:
        return ("loopback" if is_loopback_host(host) else "web"), host
    try:
        return "private", split_url(uri).scheme
    except AddressError:
        return "private", uri.partition(":")[0]


def _doubts(name: str, host: str, redirect_host: str) -> tuple[Doubt, ...]:
    """What is easily taken for somebody else (X-46, X-51).

    Whose name it is, is asked of the host that speaks for the client; on a device no host does, and the page says so anyway.
    """
    found = [doubt for place in dict.fromkeys((host, redirect_host)) if (doubt := _about(place)) is not None]
    speaks = host or redirect_host
    known = namesake(name, speaks) if speaks and not is_loopback_host(speaks) else ""
    if known and all(doubt.known != known for doubt in found):
        found.append(Doubt("name", speaks, known))
    return tuple(found)


def _about(host: str) -> Doubt | None:
    known = likeness(host)
    if known:
        return Doubt("host", host, known)
    return Doubt("letters", host) if "xn--" in host and not written(host) else None
