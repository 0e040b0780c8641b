"""A client says which sector it belongs to; whoever runs the sector has to say so too (OIDC Registration §5)."""

from calling_card.ports import Ports
from calling_card.protocol.abroad.fetching import SECTOR, Unfetched, Why
from calling_card.protocol.card.rules import SECTOR as MEMBER
from calling_card.protocol.card.rules import sector_problem
from calling_card.protocol.clients import Card
from calling_card.protocol.errors import No, Refusal


async def check(ports: Ports, card: Card, source: str) -> None:
    """Whether the list of the sector holds every redirect URI now; nothing of it is kept. Raises `Refusal` (R-49).

    ``source``: the network whose budget the fetch is on (D-36).
    """
    if wait := ports.fetches.take(source):
        raise _no("too much was read for this network; wait a little", No.TOO_MANY_REQUESTS, retry_after=wait)
    try:
        fetched = await ports.fetcher.get(str(card[MEMBER]), SECTOR)
    except Unfetched as failure:
        busy = failure.why is Why.BUSY
        no = No.UNAVAILABLE if busy else No.INVALID_CLIENT_METADATA
        raise _no(f"the {SECTOR.name} {failure.why.text}", no, logged=failure.logged, retry_after=1 if busy else 0) from None
    problem = sector_problem(fetched.body, card)
    if problem:
        raise _no(problem, No.INVALID_CLIENT_METADATA)


def _no(problem: str, no: No, *, logged: str = "", retry_after: int = 0) -> Refusal:
    return Refusal(no, f"{MEMBER}: {problem} (OIDC Registration section 5)", logged=logged, retry_after=retry_after)
