"""Whose key signed: the key sets of others, by value or by address (RFC 7517 §5, R-48, X-41). Other use cases call this one."""

from dataclasses import dataclass

from calling_card.ports import Ports
from calling_card.protocol.abroad.fetching import KEY_SET, Unfetched, Why
from calling_card.protocol.card.keysets import keyset_problem, shows_secrets, signer_of
from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.events import Event
from calling_card.protocol.handles.assertions import Assertion, Unfit
from calling_card.protocol.syntax import read_object

REFETCH = 60
"""Seconds in which a key set is fetched once, however many unknown keys are named (R-48)."""
_MEMBERS_OF_KEYS = 1000


class Away(Unfit):
    """The key set could not be fetched just now; nothing was said about it."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """Where somebody's keys are."""

    jwks: JSON
    jwks_uri: JSON
    leak: Event
    """What is reported when the set shows a private key to everybody."""
    source: str | None = None
    """Network whose budget a fetch is on; None: the operator named the address."""


async def signer(ports: Ports, keys: KeySet, signed: Assertion) -> Card:
    """The one key that may have signed; for one that is unknown the set is read again, if that was not done lately (R-48).

    Raises `Unfit`, and `Away` where another time may help.
    """
    key = await _key(ports, keys, signed)
    if key is None:
        raise Unfit("header kid: there is no such key for this algorithm, or several without a name")
    return key


async def _key(ports: Ports, keys: KeySet, signed: Assertion) -> Card | None:
    if not isinstance(keys.jwks_uri, str):
        return signer_of(keys.jwks, signed.alg, signed.kid)
    lately = ports.now() - REFETCH
    for newer_than in (0, lately):
        jwks, at = await _published(ports, keys, keys.jwks_uri, newer_than)
        key = signer_of(jwks, signed.alg, signed.kid)
        if key is not None or at >= lately:
            return key
    return None


async def _published(ports: Ports, keys: KeySet, url: str, newer_than: int) -> tuple[Card, int]:
    """The key set at an address, judged like one that is registered, and when it was read (X-41). Raises `Unfit`.

    Raises `Refusal` where we are the ones who cannot: whoever owns the keys is told to come again, not that they are unknown (D-47).
    """
    if keys.source is not None and (wait := ports.wait_to_fetch(url, KEY_SET, keys.source, newer_than)):
        raise _overloaded(wait)
    try:
        fetched = await ports.fetcher.kept(url, KEY_SET, newer_than=newer_than)
        jwks = read_object(fetched.body, members=_MEMBERS_OF_KEYS)
    except Unfetched as failure:
        if failure.why is Why.BUSY:
            raise _overloaded(5) from None
        raise (Away if failure.why.passing else Unfit)(f"jwks_uri: {failure}") from None
    except Refusal as refusal:
        raise Unfit(f"jwks_uri: {refusal.description}") from None
    if shows_secrets(jwks):
        await ports.store.report(keys.leak)
    problem = keyset_problem(jwks, ports.ground.limits.keys)
    if problem:
        raise Unfit(f"jwks_uri: {problem}")
    return jwks, fetched.at


def _overloaded(wait: int) -> Refusal:
    return Refusal(No.UNAVAILABLE, "the keys at jwks_uri cannot be read now; try again", retry_after=wait)
