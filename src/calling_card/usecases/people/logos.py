"""A client's picture comes to people from us, drawn anew (D-44, A-95, X-05, X-12).

Nobody's browser asks a stranger for it, and only a page of ours makes us ask: the address is sealed into the link.
"""

import hashlib

from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.abroad.fetching import LOGO, Unfetched
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Route, State, client_key
from calling_card.protocol.handles.sealed import CARD
from calling_card.protocol.handles.seals import LOGO as SEAL
from calling_card.protocol.handles.seals import NONCE, read, write
from calling_card.usecases.clients import by_card

_KEY = 22
"""Characters of a client key as text."""


def link(ports: Ports, key: bytes, url: str, since: int, card: str = "") -> str:
    """The address as a name for our path, the same one each time, so that a browser asks once.

    ``key``: of the client; ``since``: when it last said something new about itself, so that a picture of before is not taken for the
    one of now; ``card``: a client_id that is a sealed card, for there may be no row with this key.
    """
    plain = f"{card or base64url.encode(key)} {since} {url}".encode()
    return write(ports.keyring, SEAL, plain, hashlib.sha256(plain).digest()[:NONCE])


async def picture(ports: Ports, text: str, source: str) -> bytes | None:
    """The picture behind a name of ours as a PNG; None: there is none, whatever the reason."""
    plain = read(ports.keyring, SEAL, text)
    if plain is None:
        return None
    name, since, url = plain.decode().split(" ", 2)
    if not await _shown(ports, name, url):
        return None
    if ports.wait_to_fetch(url, LOGO, f"logo {source}", int(since)):
        ports.log("logo_not_fetched", cause="the budget of its source is used up")
        return None
    try:
        fetched = await ports.fetcher.kept(url, LOGO, newer_than=int(since))
    except Unfetched as failure:
        ports.log("logo_not_fetched", why=failure.why.name, cause=failure.logged)
        return None
    return await ports.pictures.clean(fetched.body)


async def _shown(ports: Ports, name: str, url: str) -> bool:
    """Whether there is such a client that may act, and this is still a picture of it. ``name``: its key as text, or its card."""
    card = name if name.startswith(CARD.prefix) and len(name) > _KEY else ""
    key = client_key(Route.REGISTERED, card) if card else base64url.canonical(name) or b""
    client = await ports.store.client(key) or await by_card(ports, card)
    if client is None or client.state is State.SUSPENDED:
        return False
    return url in (value for name, value in card_of(client).items() if name.partition("#")[0] == "logo_uri")
