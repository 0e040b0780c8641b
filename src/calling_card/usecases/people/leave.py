"""A client's own addresses are followed by a click on our page only (D-42): which ones we gave out, nobody else can make."""

from calling_card.ports import Ports
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.seals import LINK, NONCE, read, write


def link(ports: Ports, url: str) -> str:
    """The address as a value for our page."""
    return write(ports.keyring, LINK, url.encode(), ports.entropy(NONCE))


def opened(ports: Ports, text: str) -> str:
    """The address behind a value of ours. Raises `Refusal`: this page leads nowhere else."""
    plain = read(ports.keyring, LINK, text)
    if plain is None:
        raise Refusal(No.INVALID_REQUEST, "to: is no address that this server gave out")
    return plain.decode()
