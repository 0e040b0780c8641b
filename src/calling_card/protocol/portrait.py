"""How a client is shown to the person it asks: what it says of itself, and what we know (RFC 7591 §5, D-41, D-42)."""

from collections.abc import Sequence
from dataclasses import dataclass

from calling_card.protocol.addresses import AddressError, host_of, is_loopback_host, split_url
from calling_card.protocol.clients import JSON, Card, Client, Tier
from calling_card.protocol.languages import choose

LINKS = ("client_uri", "policy_uri", "tos_uri")
"""Members with a page that a person may want to read first."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """A client as pages show it; texts of its own are self-asserted unless ``vouched`` says who stands behind them."""

    client_id: str
    name: str
    named: bool
    """Whether the client has a name; else ``name`` is its client_id."""
    introduced_at: int
    """Seconds since 1970."""
    vouched: str
    """``operator`` or ``invitation``; empty: nobody, it introduced itself."""
    redirect_host: str
    """Host, or scheme of a private-use redirect."""
    redirect_kind: str
    """``web``, ``loopback`` or ``private``."""
    links: tuple[tuple[str, str], ...]
    """Member name and URL, in the reader's language."""
    languages: tuple[str, ...] = ()
    """What the reader prefers, best first."""


def portrait(client: Client, card: Card, redirect_uri: str, languages: Sequence[str]) -> Portrait:
    """The client as a reader of these languages sees it (R-53, R-85); without a redirect URI it is the one the client registered."""
    name = choose(card, "client_name", languages)
    kind, host = redirect_of(redirect_uri or _first(card.get("redirect_uris")))
    links = [(member, choose(card, member, languages)) for member in LINKS]
    return Portrait(
        client_id=client.client_id,
        name=name if isinstance(name, str) and name else client.client_id,
        named=isinstance(name, str) and bool(name),
        introduced_at=client.issued_at,
        vouched="operator" if client.tier is Tier.ADMIN else "invitation" if client.tier >= Tier.TOKEN else "",
        redirect_host=host,
        redirect_kind=kind,
        links=tuple((member, url) for member, url in links if isinstance(url, str) and url),
        languages=tuple(languages),
    )


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
