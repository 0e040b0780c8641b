"""What a request costs without a socket: processor time from its bytes to the bytes of the answer, sixteen connections at a time.

``python -m benches.onwire [--requests N] [--rounds N] [--profile NAME] [--sealed] [NAME ...]``. The wire, the application, the store on
disk and the log are the server's own; only the network is not there, so that neither the load nor the wake-ups of another process count.
"""

import argparse
import asyncio
import base64
import cProfile
import gc
import json
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlencode

import uvloop
from uvicorn.server import ServerState

from benches.bodies import CALLBACK, FLOW_BODY, MCP_BODY, OIDC_BODY, OPAQUE, SIGNED, VERIFIER, asked
from benches.inprocess import signed_in
from benches.load import request
from calling_card.logs import Log
from calling_card.ports import Ports
from calling_card.settings import Settings, complete
from calling_card.usecases import authorize
from calling_card.usecases.provide import Wanted, add_resource, invite
from calling_card.web.browsers import name_of
from calling_card.web.wire import Wire
from calling_card.wiring import opened, wire

CONNECTIONS = 16
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
Ask: TypeAlias = Callable[[bytes], bytes]
"""The next request, by the answer to the one before; there was none before the first."""


class Pipe(asyncio.Transport):
    """A caller who asks again as soon as the answer is whole."""

    def __init__(self, server: "Server", ask: Ask, times: int) -> None:
        """So many requests."""
        super().__init__()
        self._ask, self._left = ask, times
        self._heard = b""
        self.last = b""
        self.over: asyncio.Future[None] = server.loop.create_future()
        self._protocol = server.protocol()
        self._protocol.connection_made(self)
        self._loop = server.loop
        self._next()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Two addresses on loopback."""
        return {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 50000)}.get(name, default)

    def is_closing(self) -> bool:
        """Never, before it is over."""
        return self.over.done()

    def close(self) -> None:
        """The server hung up."""
        if not self.over.done():
            self.over.set_exception(ConnectionError(self._heard.decode("latin-1")))

    def pause_reading(self) -> None:
        """There is nothing more to read."""

    def resume_reading(self) -> None:
        """There is nothing more to read."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """A piece of an answer."""
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if end and len(body) >= int(length or 0):
            self.last, self._heard = self._heard, b""
            self._next()

    def _next(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.over.set_result(None)
            self._loop.call_soon(self._protocol.connection_lost, None)
        else:
            self._loop.call_soon(self._protocol.data_received, self._ask(self.last))


class Server:
    """Our server, but for its sockets."""

    def __init__(self, ports: Ports) -> None:
        """Nobody is connected."""
        self.ports = ports
        self.loop = asyncio.get_running_loop()
        self._config = wire(ports)
        self._config.load()
        self._state = ServerState()
        self._state.default_headers = [(b"date", b"Sun, 22 Nov 2026 01:52:04 GMT")]

    def protocol(self) -> asyncio.Protocol:
        """One more connection."""
        return Wire(self._config, self._state, {}, self.loop)

    async def measured(self, ask: Ask, requests: int) -> float:
        """Microseconds of the processor for each request."""
        gc.collect()
        began = time.process_time()
        pipes = [Pipe(self, ask, requests // CONNECTIONS) for _ in range(CONNECTIONS)]
        await asyncio.gather(*(pipe.over for pipe in pipes))
        return (time.process_time() - began) / (requests // CONNECTIONS * CONNECTIONS) * 1e6

    async def said(self, asked: bytes) -> Mapping[str, str]:
        """The answer to one request."""
        pipe = Pipe(self, again(asked), 1)
        await pipe.over
        found: Mapping[str, str] = json.loads(pipe.last.partition(b"\r\n\r\n")[2])
        return found


async def asks(server: Server) -> Mapping[str, Ask]:
    """The requests by name, and what they need to be there."""
    ports, body = server.ports, json.dumps(MCP_BODY).encode()
    api = await add_resource(ports, OPAQUE, "jobs", "opaque", "")
    await add_resource(ports, SIGNED, "jobs", "jwt", "")
    invited = await invite(ports, Wanted(1, 3600, "jobs", ("client_credentials",), None, "bench", "bench"))
    wanted = json.dumps({"grant_types": ["client_credentials"], "scope": "jobs"}).encode()
    card = await server.said(request("POST", "/register", body, [JSON]))
    machine = await server.said(request("POST", "/register", wanted, [JSON, ("Authorization", f"Bearer {invited.initial_access_token}")]))
    opaque, signed = (
        request("POST", "/token", f"grant_type=client_credentials&resource={uri}".encode(), [FORM, basic(machine)])
        for uri in (OPAQUE, SIGNED)
    )
    token = (await server.said(opaque))["access_token"]
    proof = basic({name: str(api.information[name]) for name in ("client_id", "client_secret")})
    fixed = {
        "healthz": request("GET", "/healthz"),
        "nothing": request("GET", "/nothing"),
        "preflight": request("OPTIONS", "/token"),
        "metadata": request("GET", "/.well-known/oauth-authorization-server"),
        "jwks": request("GET", "/jwks"),
        "read": request("GET", f"/register/{card['client_id']}", b"", [("Authorization", f"Bearer {card['registration_access_token']}")]),
        "client_credentials": opaque,
        "es256": signed,
        "introspect": request("POST", "/introspect", f"token={token}".encode(), [FORM, proof]),
        "not_granted": request("POST", "/token", b"grant_type=client_credentials", [FORM, basic(card)]),
        "foreign": request("POST", "/introspect", f"token={token}".encode(), [FORM, basic(card)]),
        "register": request("POST", "/register", body, [JSON]),
    }
    return {**{name: again(asked) for name, asked in fixed.items()}, **managed(), **await people(server)}


def again(asked: bytes) -> Ask:
    """The same request, whatever was answered."""
    return lambda _: asked


def managed() -> Mapping[str, Ask]:
    """What a client does with its own registration: it changes it again and again, or goes, and one request in two registers another."""
    register, oidc = (request("POST", "/register", json.dumps(body).encode(), [JSON]) for body in (MCP_BODY, OIDC_BODY))

    def update(heard: bytes) -> bytes:
        client_id, bearer = owner(heard)
        return request("PUT", f"/register/{client_id}", json.dumps({**MCP_BODY, "client_id": client_id}).encode(), [JSON, bearer])

    def delete(heard: bytes) -> bytes:
        client_id, bearer = owner(heard)
        return request("DELETE", f"/register/{client_id}", b"", [bearer])

    def or_register(use: Ask) -> Ask:
        return lambda heard: use(heard) if b'"registration_access_token"' in heard else register

    return {"register_oidc": again(oidc), "update": or_register(update), "delete": or_register(delete)}


def owner(heard: bytes) -> tuple[str, tuple[str, str]]:
    """The client that an answer is about, and the header that proves whose it is."""
    token = between(heard, b'"registration_access_token":"', b'"')
    return between(heard, b'"client_id":"', b'"'), ("Authorization", f"Bearer {token}")


async def people(server: Server) -> Mapping[str, Ask]:
    """What somebody does who is signed in and said yes for good: one request in two of a flow is the one, and one the other."""
    client = await server.said(request("POST", "/register", json.dumps(FLOW_BODY).encode(), [JSON]))
    proof = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    query, visit = asked(client["client_id"], "profile", "s"), await signed_in(server.ports)
    question = await authorize.begin(server.ports, authorize.Asked(query, visit))
    if isinstance(question, authorize.Question):
        await authorize.decide(server.ports, visit, question.transaction, allow=True, remember=True)
    cookies = {"session": visit.cookie, "browser": base64.urlsafe_b64encode(visit.browser).decode().rstrip("=")}
    carried = "; ".join(f"{name_of(server.ports, name)}={value}" for name, value in cookies.items())
    begin = request("GET", f"/authorize?{query}", b"", [("Cookie", carried), ("Accept", "text/html")])

    exchange = f"{urlencode({**proof, 'redirect_uri': CALLBACK, 'code_verifier': VERIFIER})}&grant_type="

    def flow(heard: bytes) -> bytes:
        code = between(heard, b"?code=", b"&")
        return exchanged(f"{exchange}authorization_code&code={code}") if code else begin

    def refresh(heard: bytes) -> bytes:
        token = between(heard, b'"refresh_token":"', b'"')
        return exchanged(f"{exchange}refresh_token&refresh_token={token}") if token else flow(heard)

    return {"authorize": again(begin), "flow": flow, "refresh": refresh}


def exchanged(form: str) -> bytes:
    """A request for tokens."""
    return request("POST", "/token", form.encode(), [FORM])


def between(heard: bytes, before: bytes, behind: bytes) -> str:
    """A piece of an answer; empty: it is not there."""
    return heard.partition(before)[2].partition(behind)[0].decode()


def basic(card: Mapping[str, str]) -> tuple[str, str]:
    """The header that proves who a client is."""
    return "Authorization", "Basic " + base64.b64encode(f"{card['client_id']}:{card['client_secret']}".encode()).decode()


async def main(names: list[str], requests: int, rounds: int, profiled: str, kept: str) -> None:
    """The table, or the profile of one."""
    settings = complete(Settings(open_registration=kept))
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w", encoding="utf-8", buffering=1) as log:
        async with opened(replace(settings, data=f"{folder}/data", registration_rate=0), log=Log("info", log, grouped=True)) as ports:
            server = Server(ports)
            known = await asks(server)
            gc.freeze()
            if profiled:
                profile = cProfile.Profile()
                profile.enable()
                await server.measured(known[profiled], requests)
                profile.disable()
                pstats.Stats(profile).sort_stats("tottime").print_stats(40)
                return
            for name in names or known:
                figures = [await server.measured(known[name], requests) for _ in range(rounds)]
                print(f"{name:20} {min(figures):7.1f} µs at best, {statistics.median(figures):7.1f} in the middle", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Processor time of requests, from bytes to bytes.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", default="")
    parser.add_argument("--sealed", action="store_true", help="nothing is kept of who registers")
    given = parser.parse_args()
    uvloop.run(main(given.names, given.requests, given.rounds, given.profile, "sealed" if given.sealed else "stored"))
