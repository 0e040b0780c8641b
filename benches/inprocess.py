"""What a use case costs without the wire: processor time per call, sixteen at a time.

``python -m benches.inprocess [--memory] [--rounds N] [--profile NAME]``
"""

import argparse
import asyncio
import cProfile
import gc
import hashlib
import pstats
import secrets
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import msgspec
from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.clients import Card
from calling_card.protocol.events import Event
from calling_card.protocol.persons.people import Role, Session
from calling_card.settings import Settings, complete
from calling_card.store.memory import MemoryStore
from calling_card.usecases import authorize, discover, introspect, issue, manage, register
from calling_card.usecases.authenticate import Presented
from calling_card.usecases.exchange.asked import Asked
from calling_card.usecases.people.browsers import Visit, cookie
from calling_card.usecases.people.operate import Wanted, add
from calling_card.usecases.provide import Wanted as Invited
from calling_card.usecases.provide import add_resource, invite
from calling_card.usecases.renew import first_signing_keys
from calling_card.web.endpoints import NAMED
from calling_card.web.pages.messages import LANGUAGES
from calling_card.wiring import assemble, check, folder, opened, unlock

MOST = 2**20
AT_ONCE = 16
CALLBACK = "http://127.0.0.1:33418/callback"
WEB = "https://notes.example/callback"
"""Of the client that people say yes to for good, which none on a loopback host gets (CREDENTIALS §8)."""
API = "https://api.example"
MCP: Card = {
    "client_name": "Notes",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
OIDC: Card = {
    "application_type": "web",
    "redirect_uris": ["https://client.example.org/callback", "https://client.example.org/callback2"],
    "client_name": "My Example",
    "client_name#ja-Jpan-JP": "クライアント名",
    "logo_uri": "https://client.example.org/logo.png",
    "client_uri": "https://client.example.org/",
    "policy_uri": "https://client.example.org/policy",
    "tos_uri": "https://client.example.org/terms",
    "subject_type": "public",
    "token_endpoint_auth_method": "client_secret_basic",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "contacts": ["ve7jtb@example.org", "mary@example.org"],
    "scope": "openid profile email",
    "id_token_signed_response_alg": "ES256",
    "software_id": "4NRB1-0XZABZI9E6-5SM3R",
    "software_version": "2.1",
}
Call = Callable[[], Awaitable[object]]


class Bench:
    """A server without a wire, with clients, a person and a resource server."""

    def __init__(self, ports: Ports, rounds: int) -> None:
        """Empty until `furnish`."""
        self.ports = ports
        self.rounds = rounds
        self.mcp, self.oidc = (msgspec.json.encode(card) for card in (MCP, OIDC))
        self.public: Card = {}
        self.machine: Card = {}
        self.visit = Visit(b"", "")

    async def furnish(self) -> None:
        """Everything that the calls need to be there."""
        ports = self.ports
        await add_resource(ports, API, "orders:read", "jwt", "")
        self.public = await self.registered({**MCP, "redirect_uris": [WEB], "scope": "openid profile"})
        invitation = await invite(ports, Invited(1, 3600, "openid orders:read", ("client_credentials",), None, "bench", "bench"))
        body = msgspec.json.encode({"redirect_uris": [], "grant_types": ["client_credentials"], "scope": "openid orders:read"})
        self.machine = await register.register(ports, register.Asked(body, invitation.initial_access_token))
        self.visit = await signed_in(ports)
        for scope in ("profile", "openid profile"):
            asked = await authorize.begin(ports, self.request("v" * 43, scope))
            if isinstance(asked, authorize.Question):
                await authorize.decide(ports, self.visit, asked.transaction, allow=True, remember=True)

    async def registered(self, card: Card) -> Card:
        """A client that came in."""
        return await register.register(self.ports, register.Asked(msgspec.json.encode(card), None, source="198.51.100.0/24"))

    def request(self, verifier: str, scope: str = "profile") -> authorize.Asked:
        """The person comes from the public client."""
        challenge = base64url.encode(hashlib.sha256(verifier.encode()).digest())
        query = urlencode(
            {
                "client_id": str(self.public["client_id"]),
                "response_type": "code",
                "redirect_uri": WEB,
                "scope": scope,
                "state": "st",
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        return authorize.Asked(query, self.visit)

    def secret(self) -> Presented:
        """The machine, by its secret."""
        return Presented("client_secret_basic", str(self.machine["client_id"]), str(self.machine["client_secret"]))

    async def code(self, asked: authorize.Asked) -> str:
        """A code for the public client. Raises `TypeError` when the person is asked for anything."""
        answer = await authorize.begin(self.ports, asked)
        if not isinstance(answer, authorize.Answer):
            raise TypeError(f"the yes was not remembered: {answer}")
        return answer.members["code"]

    async def redeemed(self, verifier: str, code: str) -> str:
        """The refresh token for a code."""
        asked = Asked(
            Presented("none", str(self.public["client_id"])),
            "authorization_code",
            code=code,
            redirect_uri=WEB,
            code_verifier=verifier,
        )
        return (await issue.issue(self.ports, asked)).refresh_token


async def signed_in(ports: Ports) -> Visit:
    """Alice, in a browser of hers."""
    person = (await add(ports, Wanted("alice", "correct horse battery", {}, Role.NONE, "bench"))).person
    now = ports.now()
    session = Session(person.id, secrets.token_bytes(16), person.epoch, ports.keyring.minting, now, "pwd", "", now, now + 86400)
    event = Event("signed_in", now, b"", "person", body={"person": person.subject})
    await ports.store.begin_session(session, None, event)
    return Visit(secrets.token_bytes(16), cookie(ports, session))


async def registers(bench: Bench, body: bytes) -> Sequence[Call]:
    """POST of this body by a stranger."""
    return [lambda: register.register(bench.ports, register.Asked(body, None, source="198.51.100.0/24"))] * bench.rounds


async def managed(
    bench: Bench, card: Card, use: Callable[[Ports, manage.Asked], Awaitable[object]], *, fresh: bool = False
) -> Sequence[Call]:
    """GET, PUT or DELETE of clients of which each is used once, but for reading."""
    made = [await bench.registered(card) for _ in range(bench.rounds if fresh else 1)]
    asked = [_managing(one) for one in made] * (1 if fresh else bench.rounds)
    return [lambda one=one: use(bench.ports, one) for one in asked]  # type: ignore[misc] # bound at once


def _managing(card: Card) -> manage.Asked:
    unsaid = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
    body = {name: value for name, value in card.items() if name not in unsaid} | {"client_name": "Other"}
    token = str(card["registration_access_token"])
    return manage.Asked(str(card["client_id"]), token, msgspec.json.encode(body), "198.51.100.0/24")


async def tokens(bench: Bench, resource: str = "") -> Sequence[Call]:
    """client_credentials, opaque without a resource."""
    asked = Asked(bench.secret(), "client_credentials", "orders:read" if resource else "openid", (resource,) if resource else ())
    return [lambda: issue.issue(bench.ports, asked)] * bench.rounds


async def questions(bench: Bench) -> Sequence[Call]:
    """Introspection by the token's own client."""
    token = (await issue.issue(bench.ports, Asked(bench.secret(), "client_credentials", "openid"))).access_token
    asked = introspect.Asked(structs.replace(bench.secret(), endpoint="introspection"), token)
    return [lambda: introspect.introspect(bench.ports, asked)] * bench.rounds


def _verifiers(bench: Bench) -> list[str]:
    return [base64url.encode(secrets.token_bytes(32)) for _ in range(bench.rounds)]


async def authorizes(bench: Bench) -> Sequence[Call]:
    """A visit of somebody who is signed in and said yes for good."""
    return [lambda one=one: bench.code(one) for one in map(bench.request, _verifiers(bench))]  # type: ignore[misc] # bound at once


async def redeems(bench: Bench, scope: str) -> Sequence[Call]:
    """A code becomes tokens, with an ID token for ``openid``."""
    codes = [(one, await bench.code(bench.request(one, scope))) for one in _verifiers(bench)]
    return [lambda one=one: bench.redeemed(*one) for one in codes]  # type: ignore[misc] # bound at once


async def refreshes(bench: Bench) -> Sequence[Call]:
    """A refresh token becomes its successor."""
    held = [await bench.redeemed(one, await bench.code(bench.request(one))) for one in _verifiers(bench)]
    asked = [Asked(Presented("none", str(bench.public["client_id"])), "refresh_token", refresh_token=one) for one in held]
    return [lambda one=one: issue.issue(bench.ports, one) for one in asked]  # type: ignore[misc] # bound at once


async def describes(bench: Bench) -> Sequence[Call]:
    """The server metadata."""
    return [lambda: discover.describe(bench.ports, NAMED, LANGUAGES)] * bench.rounds


async def keys(bench: Bench) -> Sequence[Call]:
    """The key set."""
    return [lambda: discover.keys(bench.ports)] * bench.rounds


WORKLOADS: Mapping[str, Callable[[Bench], Awaitable[Sequence[Call]]]] = {
    "register_mcp": lambda bench: registers(bench, bench.mcp),
    "register_oidc": lambda bench: registers(bench, bench.oidc),
    "read": lambda bench: managed(bench, MCP, manage.show),
    "read_oidc": lambda bench: managed(bench, OIDC, manage.show),
    "replace": lambda bench: managed(bench, MCP, manage.change, fresh=True),
    "delete": lambda bench: managed(bench, MCP, manage.delete, fresh=True),
    "token_opaque": tokens,
    "token_es256": lambda bench: tokens(bench, API),
    "introspect": questions,
    "authorize": authorizes,
    "redeem": lambda bench: redeems(bench, "profile"),
    "redeem_rs256": lambda bench: redeems(bench, "openid profile"),
    "refresh": refreshes,
    "metadata": describes,
    "jwks": keys,
}


async def run(calls: Iterable[Call]) -> None:
    """All of them, so many at once."""
    waiting = iter(calls)

    async def one_after_the_other() -> None:
        for call in waiting:
            await call()

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


async def cost(calls: Sequence[Call], profile: cProfile.Profile | None = None) -> float:
    """Microseconds of processor time for each of these calls."""
    gc.collect()
    if profile is not None:
        profile.enable()
    began = time.process_time()
    await run(calls)
    spent = time.process_time() - began
    if profile is not None:
        profile.disable()
    return spent / len(calls) * 1e6


def settings_for(place: Path, *, sealed: bool) -> Settings:
    """Everything on, with budgets that are drawn on and never used up."""
    made = Settings(
        data=str(place),
        log_level="error",
        never_used_limit=0,
        open_registration="sealed" if sealed else "stored",
        registration_rate=MOST,
        registration_burst=MOST,
        network_rate=MOST,
        host_rate=MOST,
        software_rate=MOST,
        change_rate=MOST,
    )
    return complete(made)


@asynccontextmanager
async def server(settings: Settings, *, memory: bool) -> AsyncGenerator[Ports]:
    """The ports of an SQLite file, or of a store that costs next to nothing."""
    if not memory:
        async with opened(settings) as ports:
            yield ports
        return
    check(settings)
    keyring = unlock(settings, folder(settings))
    store = MemoryStore(chain_key=secrets.token_bytes(32), writer=secrets.token_bytes(8), now=lambda: int(time.time()))
    ports = assemble(settings, store, keyring)
    await first_signing_keys(ports)
    yield ports


async def measured(names: Sequence[str], rounds: int, *, memory: bool, profiled: bool) -> None:
    """Print what each costs; sealed clients last."""
    for sealed, chosen in ((False, names), (True, [name for name in names if name.startswith(("register", "read"))])):
        with tempfile.TemporaryDirectory() as place:
            async with server(settings_for(Path(place) / "data", sealed=sealed), memory=memory) as ports:
                bench = Bench(ports, rounds)
                if not sealed:
                    await bench.furnish()
                for name in chosen:
                    await run((await WORKLOADS[name](bench))[: rounds // 4])
                    profile = cProfile.Profile() if profiled else None
                    spent = await cost(await WORKLOADS[name](bench), profile)
                    print(f"{'sealed ' if sealed else ''}{name:16s} {spent:7.1f}")
                    if profile is not None:
                        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--rounds", type=int, default=1000)
    said = parser.parse_args()
    asyncio.run(measured(said.names, said.rounds, memory=said.memory, profiled=said.profile))
