"""Sixteen callers want the same of one grant at the same moment: once, or the same for all (A-47, A-53, CREDENTIALS §9.2)."""

import json
import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.clients import Client
from calling_card.protocol.events import Event
from calling_card.protocol.handles.credentials import REFRESH_TOKEN, read
from calling_card.protocol.persons.grants import Grant, Stage
from calling_card.protocol.persons.people import Person, Role, Session
from calling_card.usecases import authorize
from calling_card.usecases.people import account, browsers
from tests.faults.conftest import Told
from tests.faults.standing import spoken
from tests.faults.test_races import RACERS, TRACKS, Track, Tracks, rounds
from tests.faults.wire import Ask, Reply, filled
from tests.ledger import meets
from tests.visitor import CHALLENGE, VERIFIER

pytestmark = pytest.mark.serial

ROUNDS = int(os.environ.get("FAULTS_ROUNDS") or 12)
CALLBACK = "https://app.example/cb"
FORM = "application/x-www-form-urlencoded"
Both = pytest.mark.parametrize("method", ["none", "client_secret_basic"], ids=["public", "confidential"])


@dataclass(frozen=True)
class FromBrowser(Ask):
    """A form from a browser that keeps cookies."""

    cookies: Mapping[str, str] = field(default_factory=dict[str, str])

    def written(self) -> bytes:
        """Its bytes."""
        line = "Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head, end, body = super().written().partition(b"\r\n\r\n")
        return head + b"\r\n" + line.encode() + end + body


@dataclass(frozen=True)
class Party:
    """A client, a person who is signed in, and the server between them."""

    track: Track
    card: Mapping[str, str]
    person: Person
    visit: browsers.Visit

    @property
    def key(self) -> bytes:
        """The client's place in the tables."""
        return spoken(self.card["registration_access_token"]).client_key

    @property
    def request(self) -> str:
        """What the client asks."""
        asked = {"client_id": self.card["client_id"], "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid"}
        return urlencode({**asked, "state": "st", "code_challenge": CHALLENGE, "code_challenge_method": "S256"})

    async def question(self, ports: Ports) -> str:
        """The transaction of the consent page."""
        asked = await authorize.begin(ports, authorize.Asked(self.request, self.visit))
        assert isinstance(asked, authorize.Question)
        return asked.transaction

    async def code(self, ports: Ports) -> str:
        """The person says yes."""
        answer = await authorize.decide(ports, self.visit, await self.question(ports), allow=True, remember=False)
        assert isinstance(answer, authorize.Answer)
        return answer.members["code"]

    def posted(self, path: str, **fields: str) -> Ask:
        """A form of the client."""
        if "client_secret" in self.card:
            return filled(path, fields, (self.card["client_id"], self.card["client_secret"]))
        return Ask("POST", path, urlencode({**fields, "client_id": self.card["client_id"]}).encode(), media=FORM)

    def redeem(self, code: str) -> Ask:
        """A code for tokens."""
        return self.posted("/token", grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER)

    def refresh(self, token: str) -> Ask:
        """A refresh token for tokens."""
        return self.posted("/token", grant_type="refresh_token", refresh_token=token)

    def by_browser(self, path: str, **fields: str) -> Ask:
        """A form of the person."""
        port = self.track.servers[0].port
        number = base64url.encode(self.visit.browser)
        cookies = {f"cc_browser_{port}": number, f"cc_session_{port}": self.visit.cookie}
        return FromBrowser("POST", path, urlencode(fields).encode(), media=FORM, cookies=cookies)

    async def withdrawal(self, ports: Ports) -> Ask:
        """The form of the account page that takes the yes back."""
        shown = await account.show(ports, self.visit)
        assert shown is not None
        return self.by_browser("/account", transaction=shown.transaction, do="withdraw", client=base64url.encode(self.key))

    async def tokens(self, ports: Ports) -> Reply:
        """Yes, and the exchange."""
        reply = await self.track.one(self.redeem(await self.code(ports)))
        assert reply.status == 200, reply.body
        return reply

    async def living(self, replies: Sequence[Reply]) -> list[bool]:
        """Whether the access tokens of these answers open userinfo, at each server."""
        found: list[bool] = []
        for reply in replies:
            asks = [Ask("GET", "/userinfo", token=reply.text("access_token")) for _ in self.track.servers]
            statuses = {(await self.track.one(ask, server)).status for server, ask in enumerate(asks)}
            assert len(statuses) == 1
            found.append(statuses == {200})
        return found

    async def grants(self, ports: Ports) -> list[Grant]:
        """What lives of what the person allowed this client."""
        return [grant for client, found in await ports.store.allowed(self.person.id) if client.key == self.key for grant in found]


async def grant_of(ports: Ports, token: str) -> Grant:
    """The grant that a refresh token speaks for."""
    handle = read(ports.keyring, ports.settings.issuer, REFRESH_TOKEN, token)
    assert handle is not None
    found = await ports.store.grant(handle.owner[:16], handle.owner[16:])
    assert found is not None
    return found[0]


@asynccontextmanager
async def parties(track: Track, method: str = "none") -> AsyncGenerator[tuple[Ports, list[Party]]]:
    """An operator's process, and for each round a client; the person is the same."""
    async with track.operator() as ports:
        person, visit = await somebody(ports)
        body = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method, "grant_types": ["authorization_code", "refresh_token"]}
        made = [await track.one(Ask("POST", "/register", json.dumps({**body, "client_name": "racer"}).encode())) for _ in range(track.laps)]
        assert {reply.status for reply in made} == {201}
        yield ports, [Party(track, {name: str(value) for name, value in reply.json.items()}, person, visit) for reply in made]


async def somebody(ports: Ports) -> tuple[Person, browsers.Visit]:
    """A person without a password, signed in in one browser."""
    now = ports.now()
    person = Person(ports.entropy(16), "racer-" + ports.entropy(4).hex(), Role.NONE, "", created_at=now)
    assert await ports.store.add_person(person, Event("person_added", now, b"", "operator"))
    session = Session(person.id, ports.entropy(16), 0, ports.keyring.minting, now, "pwd", "racer", now, now + 3600)
    assert await ports.store.begin_session(session, None, Event("signed_in", now, b"", "person"))
    return person, browsers.Visit(ports.entropy(16), browsers.cookie(ports, session))


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracks]:
    """Servers for the races, under one issuer; nobody is asked too often."""
    with Tracks(tmp_path_factory.mktemp("races"), ROUNDS, {"PROMPT_RATE": "0"}).open() as made:
        yield made


@pytest.fixture(params=TRACKS)
def track(request: pytest.FixtureRequest, tracks: Tracks, tell: Told) -> Iterator[Track]:
    """The races are run against one server, against two, and against two on one PostgreSQL; what came of them is told."""
    yield from tracks.run(str(request.param), request.node.name, tell)


def events(track: Track, party: Party) -> Counter[str]:
    """Events about a client; chains and file are looked at on the way."""
    picture = track.seen.look()
    assert picture.flaws == []
    return Counter(kind for kind, _ in picture.events.get(party.key, ()))


# ── Codes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-47", "A-46", "X-37", "X-88")
@Both
async def test_a_code_redeemed_by_many_at_once_gives_tokens_once_and_ends_its_grant(track: Track, method: str) -> None:
    """Each of them proves itself, so all but the first are repeats of the same client."""
    async with parties(track, method) as (ports, all_parties):

        async def lap(number: int) -> None:
            party = all_parties[number]
            code = await party.code(ports)

            replies = await track.run([party.redeem(code)] * RACERS)

            assert track.count(replies) == {200: 1, 400: RACERS - 1}
            assert {reply.text("error") for reply in replies if reply.status == 400} == {"invalid_grant"}
            [won] = [reply for reply in replies if reply.status == 200]
            assert await party.living([won]) == [False]
            assert (await track.one(party.refresh(won.text("refresh_token")))).status == 400
            assert (await grant_of(ports, won.text("refresh_token"))).stage is Stage.REVOKED
            assert {kind: events(track, party)[kind] for kind in ("grant_redeemed", "code_replayed")} == {
                "grant_redeemed": 1,
                "code_replayed": 1,
            }

        await rounds(lap, track.laps)


@meets("H-15", "H-19", "X-29")
async def test_a_code_among_guesses_is_redeemed_by_the_one_that_proves_itself_and_its_grant_lives(track: Track) -> None:
    async with parties(track) as (ports, all_parties):

        async def lap(number: int) -> None:
            party = all_parties[number]
            code = await party.code(ports)
            guess = party.posted("/token", grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier="x" * 43)

            replies = await track.run([party.redeem(code) if racer == number % RACERS else guess for racer in range(RACERS)])

            assert track.count(replies) == {200: 1, 400: RACERS - 1}
            assert replies[number % RACERS].status == 200
            assert await party.living([replies[number % RACERS]]) == [True]

        await rounds(lap, track.laps)


# ── Refresh tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-53", "H-19", "X-37", "X-88")
@Both
async def test_a_refresh_token_used_by_many_at_once_has_one_successor_and_every_access_token_lives(track: Track, method: str) -> None:
    async with parties(track, method) as (ports, all_parties):

        async def lap(number: int) -> None:
            party = all_parties[number]
            first = await party.tokens(ports)

            replies = await track.run([party.refresh(first.text("refresh_token"))] * RACERS)

            assert track.count(replies) == {200: RACERS}
            assert len({reply.text("refresh_token") for reply in replies}) == 1
            assert len({reply.text("access_token") for reply in replies}) == RACERS
            assert await party.living([first, *replies]) == [True] * (RACERS + 1)
            row = (await grant_of(ports, first.text("refresh_token"))).refresh
            assert (row.confirmed, row.issued) == (1, 2)
            assert events(track, party)["grant_refreshed"] == 1
            assert (await track.one(party.refresh(replies[0].text("refresh_token")))).status == 200

        await rounds(lap, track.laps)


@meets("A-53", "H-19")
async def test_a_spent_refresh_token_among_the_newest_ends_the_grant_for_all(track: Track) -> None:
    async with parties(track) as (ports, all_parties):

        async def lap(number: int) -> None:
            party = all_parties[number]
            first = await party.tokens(ports)
            second = await track.one(party.refresh(first.text("refresh_token")))
            third = await track.one(party.refresh(second.text("refresh_token")))
            spent, newest = party.refresh(first.text("refresh_token")), party.refresh(third.text("refresh_token"))

            replies = await track.run([spent if racer == number % RACERS else newest for racer in range(RACERS)])

            assert track.count(replies).keys() <= {200, 400}
            assert replies[number % RACERS].status == 400
            given = [first, second, third, *(reply for reply in replies if reply.status == 200)]
            assert await party.living(given) == [False] * len(given)
            assert (await grant_of(ports, first.text("refresh_token"))).stage is Stage.REVOKED
            assert events(track, party)["grant_ended"] == 1

        await rounds(lap, track.laps)


@meets("H-20", "A-68")
async def test_nothing_outlives_a_withdrawal_among_refreshes(track: Track) -> None:
    async with parties(track) as (ports, all_parties):

        async def lap(number: int) -> None:
            party = all_parties[number]
            first = await party.tokens(ports)
            withdraw, again = await party.withdrawal(ports), party.refresh(first.text("refresh_token"))

            replies = await track.run([withdraw if racer == number % RACERS else again for racer in range(RACERS)])

            assert track.count(replies).keys() <= {200, 303, 400}
            assert replies[number % RACERS].status == 303
            given = [first, *(reply for reply in replies if reply.status == 200)]
            assert await party.living(given) == [False] * len(given)
            assert (await track.one(party.refresh(given[-1].text("refresh_token")))).status == 400
            assert await party.grants(ports) == []

        await rounds(lap, track.laps)


@meets("H-20", "M-39")
async def test_nothing_outlives_the_client_that_is_deleted_among_refreshes_and_exchanges(track: Track) -> None:
    async with parties(track) as (ports, all_parties):

        async def lap(number: int) -> None:
            party = all_parties[number]
            first, code = await party.tokens(ports), await party.code(ports)
            asks = [party.redeem(code), *[party.refresh(first.text("refresh_token"))] * (RACERS - 1)]
            path, token = f"/register/{party.card['client_id']}", party.card["registration_access_token"]
            asks[1 + number % (RACERS - 1)] = Ask("DELETE", path, token=token)

            replies = await track.run(asks)

            counted = track.count(replies)
            assert counted[204] == 1
            assert counted.keys() <= {200, 204, 400, 401}
            given = [first, *(reply for reply in replies if reply.status == 200)]
            assert await party.living(given) == [False] * len(given)
            assert (await track.one(party.refresh(given[-1].text("refresh_token")))).status == 401
            assert await party.grants(ports) == []
            assert events(track, party)["client_deleted"] == 1

        await rounds(lap, track.laps)


@meets("A-71")
async def test_a_refresh_token_given_back_by_many_at_once_ends_its_grant_once(track: Track) -> None:
    async with parties(track) as (ports, all_parties):

        async def lap(number: int) -> None:
            party = all_parties[number]
            first = await party.tokens(ports)

            replies = await track.run([party.posted("/revoke", token=first.text("refresh_token"))] * RACERS)

            assert track.count(replies) == {200: RACERS}
            assert await party.living([first]) == [False]
            assert events(track, party)["grant_ended"] == 1

        await rounds(lap, track.laps)


# ── Yes ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-33", "A-34")
async def test_a_yes_sent_many_times_at_once_is_remembered_once_and_every_code_is_its_own(track: Track) -> None:
    """A form is not stored, so nobody counts how often it comes; each answer goes to the client that was shown, and dies with it."""
    async with parties(track, "client_secret_basic") as (ports, all_parties):

        async def lap(number: int) -> None:
            party = all_parties[number]
            transaction = await party.question(ports)

            yes = party.by_browser("/consent", transaction=transaction, decision="allow", remember="1")
            replies = await track.run([yes] * RACERS)

            assert track.count(replies) == {303: RACERS}
            places = [urlsplit(reply.headers["location"]) for reply in replies]
            assert {f"{place.scheme}://{place.netloc}{place.path}" for place in places} == {CALLBACK}
            codes = [parse_qs(place.query)["code"][0] for place in places]
            assert len(set(codes)) == RACERS
            assert len(await ports.store.consents(party.person.id, await client_of(ports, party))) == 1
            assert events(track, party)["grant_given"] == RACERS
            given = [await track.one(party.redeem(code)) for code in codes[:2]]
            assert await party.living(given) == [True, True]
            assert (await track.one(await party.withdrawal(ports))).status == 303
            assert await party.living(given) == [False, False]
            assert (await track.one(party.redeem(codes[2]))).status == 400

        await rounds(lap, track.laps)


async def client_of(ports: Ports, party: Party) -> Client:
    """The client as it is kept."""
    found = await ports.store.client(party.key)
    assert found is not None
    return found
