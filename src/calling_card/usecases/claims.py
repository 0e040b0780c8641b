"""A client claims what another one has: a scheme of its own, or to be software of which there is one (RFC 7591 §5; R-37, R-88)."""

from calling_card.ports import Ports
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Card, Client
from calling_card.protocol.corridor import Passed, with_warnings
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.policy.claims import CLAIMANTS, Claim, claimed, new_schemes, same_software, single


async def weighed(ports: Ports, passed: Passed, before: Client | None) -> Passed:
    """What passed, with a warning for every scheme that other software has. Raises `Refusal` where the operator wants no such thing.

    ``before``: the client as it is, which stands in nobody's way; None: it is new.
    """
    card = passed.card
    await _alone(ports, card, before)
    if ports.settings.scheme_claims == "off":
        return passed
    told = [await _scheme(ports, scheme, card, before) for scheme in new_schemes(card, None if before is None else card_of(before))]
    return with_warnings(passed, tuple(one for one in told if one))


def taken() -> Refusal:
    """Somebody else is this software."""
    why = "software_id: a client of this software and version lives, and the operator allows one (RFC 7591 section 5)"
    return Refusal(No.INVALID_CLIENT_METADATA, why)


async def _alone(ports: Ports, card: Card, before: Client | None) -> None:
    if not single(card, ports.known_software) or (before is not None and same_software(card, card_of(before))):
        return
    others = await ports.store.claiming(Claim.SOFTWARE, str(card["software_id"]), CLAIMANTS)
    if any(same_software(card, card_of(other)) for other in others):
        raise taken()


async def _scheme(ports: Ports, scheme: str, card: Card, before: Client | None) -> str:
    others = await ports.store.claiming(Claim.SCHEME, scheme, CLAIMANTS)
    problem = claimed(scheme, card, [other for other in others if before is None or other.key != before.key])
    if problem and ports.settings.scheme_claims == "refuse":
        raise Refusal(No.INVALID_REDIRECT_URI, problem)
    return problem
