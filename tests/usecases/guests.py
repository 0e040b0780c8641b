"""A person in a browser as the use cases see them: no pages, no HTTP."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import structs

from calling_card.protocol.persons.people import Person
from calling_card.store.budget import GcraBudget
from calling_card.usecases.authorize import Answer, Asked, Outcome, Question, SignInNeeded, Stopped, begin, decide
from calling_card.usecases.people.browsers import Present, Visit, current
from calling_card.usecases.people.sign_in import Proof, SignedIn, offer, sign_in
from calling_card.web.app import App
from calling_card.wiring import CROWD
from tests.visitor import PASSWORD, authorize_url, somebody
from tests.world import World


def new_browser() -> Visit:
    """One that has not been here."""
    return Visit(secrets.token_bytes(16), "", source="203.0.113.5", agent="Example/1.0", request_id="r1")


@dataclass
class Guest:
    """One browser at one server."""

    server: World
    visit: Visit = field(default_factory=new_browser)

    async def come(self, card: Mapping[str, Any], transaction: str = "", /, **params: str) -> Outcome:
        """Sent by a client; empty parameters are left out."""
        return await self.ask(query(card, **params), transaction)

    async def ask(self, request: str, transaction: str = "") -> Outcome:
        """Come with this very query, from the client or back from the sign-in form."""
        return await begin(self.server.ports, Asked(request, self.visit, transaction))

    async def prove(self, transaction: str, name: str = "alice", password: str = PASSWORD) -> SignedIn:
        """Send a sign-in form; the browser keeps the cookie."""
        done = await sign_in(self.server.ports, self.visit, Proof(transaction, name, password))
        self.visit = structs.replace(self.visit, cookie=done.cookie)
        return done

    async def sign_in(self, name: str = "alice", password: str = PASSWORD) -> SignedIn:
        """Sign in without a client behind."""
        return await self.prove(offer(self.server.ports, self.visit).transaction, name, password)

    async def decide(self, asked: Outcome, *, allow: bool = True, remember: bool = False) -> Outcome:
        """Answer a question."""
        assert isinstance(asked, Question), asked
        return await decide(self.server.ports, self.visit, asked.transaction, allow=allow, remember=remember)

    async def allow(self, card: Mapping[str, Any], /, *, remember: bool = False, **params: str) -> Answer:
        """Come, signed in already, and say yes where asked."""
        outcome = await self.come(card, **params)
        return answer(await self.decide(outcome, remember=remember) if isinstance(outcome, Question) else outcome)

    async def present(self) -> Present | None:
        """Who is signed in here."""
        return await current(self.server.ports, self.visit)


def by_its_clock(server: World) -> World:
    """The same server, whose budgets about people fill again with its own clock: a slow machine counts as a quick one."""
    settings = server.ports.settings

    def budget(rate: int) -> GcraBudget:
        return GcraBudget(rate, max(rate, 1), server.clock)

    server.ports = replace(
        server.ports,
        sign_ins=budget(settings.sign_in_rate),
        crowds=budget(settings.sign_in_rate * CROWD),
        prompts=budget(settings.prompt_rate),
    )
    server.app = App(server.ports)
    return server


async def signed_in(server: World, name: str = "alice", **claims: str) -> Guest:
    """A browser in which somebody new is signed in."""
    await somebody(server, name, **claims)
    guest = Guest(server)
    await guest.sign_in(name)
    return guest


async def person_of(server: World, name: str = "alice") -> Person:
    """A person who is there."""
    found = await server.ports.store.person_named(name)
    assert found is not None
    return found


def query(card: Mapping[str, Any], /, **params: str) -> str:
    """What a client asks, as a query."""
    return authorize_url(card, **params).partition("?")[2]


def needed(outcome: Outcome) -> SignInNeeded:
    """Somebody has to sign in."""
    assert isinstance(outcome, SignInNeeded), outcome
    return outcome


def question(outcome: Outcome) -> Question:
    """The person has to say yes or no."""
    assert isinstance(outcome, Question), outcome
    return outcome


def answer(outcome: Outcome) -> Answer:
    """Something goes back to the client."""
    assert isinstance(outcome, Answer), outcome
    return outcome


def stopped(outcome: Outcome) -> Stopped:
    """A mistake of the client is shown."""
    assert isinstance(outcome, Stopped), outcome
    return outcome
