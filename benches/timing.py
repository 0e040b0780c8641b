"""Whether an answer's time tells what its words do not: pairs of requests in random order, medians, Mann-Whitney (RELIABILITY Z3).

``python -m benches.timing [--pairs N] [--passwords N] [NAME ...]``. In this process and without a socket, so that what differs is ours.
"""

import argparse
import gc
import math
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random  # noqa: TID251 - the order of the pairs, the same in each run

import uvloop

from benches.bodies import MCP_BODY
from benches.load import request
from benches.onwire import FORM, JSON, Pipe, Server, again, basic
from calling_card.logs import Log
from calling_card.ports import Ports
from calling_card.protocol.errors import Refusal
from calling_card.protocol.persons.people import Role
from calling_card.settings import Settings, complete
from calling_card.usecases.people import operate, sign_in
from calling_card.usecases.people.browsers import Visit
from calling_card.wiring import opened

SHARE, MICROSECONDS = 0.05, 50
"""What may differ: so much of the median, or so much time."""
PASSWORD = "correct horse battery staple"  # noqa: S105 - nobody's
Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two things that must look the same from outside."""

    name: str
    one: Act
    other: Act


def told(pair: str, one: Sequence[float], other: Sequence[float]) -> str:
    """A row of the table; times in microseconds."""
    left, right = statistics.median(one), statistics.median(other)
    apart = right - left
    bad = abs(apart) > SHARE * min(left, right) and abs(apart) > MICROSECONDS
    score = mann_whitney(one, other)
    return f"{pair:56} {left:10,.1f} {right:10,.1f} {apart:+9.1f} {apart / left:+7.1%} {score:+7.2f}{'  TELLS' if bad else ''}"


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """How many standard deviations the ranks of the other are above what chance would give them."""
    ranked = sorted([(value, False) for value in one] + [(value, True) for value in other])
    ranks = sum(place for place, (_, others) in enumerate(ranked, 1) if others)
    expected = len(other) * (len(ranked) + 1) / 2
    return (ranks - expected) / math.sqrt(len(one) * expected / 6)


async def compared(pair: Pair, times: int, dice: Random) -> str:
    """Both acts so many times, which one is first being drawn each time."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    gc.collect()
    for number in range(times + times // 10):
        for other in dice.sample((False, True), 2):
            began = time.perf_counter_ns()
            await (pair.other if other else pair.one)()
            if number >= times // 10:
                taken[other].append((time.perf_counter_ns() - began) / 1000)
    return told(pair.name, taken[False], taken[True])


def tampered(secret: str, place: int) -> str:
    """The secret with another letter in this place."""
    letters = list(secret)
    letters[place] = "A" if letters[place] != "A" else "B"
    return "".join(letters)


async def pairs(server: Server) -> Sequence[Pair]:
    """What is compared over HTTP."""
    card = await server.said(request("POST", "/register", _body(), [JSON]))
    other = await server.said(request("POST", "/register", _body(), [JSON]))
    unknown = "c" + "A" * (len(card["client_id"]) - 1)
    secret, rat = card["client_secret"], card["registration_access_token"]

    def token(client_id: str, shown: str) -> Act:
        proof: Mapping[str, str] = {"client_id": client_id, "client_secret": shown}
        return _sent(server, request("POST", "/introspect", b"token=x", [FORM, basic(proof)]))

    def read(client_id: str, shown: str) -> Act:
        return _sent(server, request("GET", f"/register/{client_id}", b"", [("Authorization", f"Bearer {shown}")]))

    first, last = len(secret) - 40, -2
    return [
        Pair("the same act twice", token(unknown, secret), token(unknown, secret)),
        Pair("client_id known or not, secret wrong", token(card["client_id"], tampered(secret, last)), token(unknown, secret)),
        Pair("client_id known or not, secret of another client", token(other["client_id"], secret), token(unknown, secret)),
        Pair("client_id known or not, secret that is none of ours", token(card["client_id"], "guess"), token(unknown, "guess")),
        Pair(
            "secret wrong early or late",
            token(card["client_id"], tampered(secret, first)),
            token(card["client_id"], tampered(secret, last)),
        ),
        Pair(
            "secret right or wrong (the answer says which)",
            token(card["client_id"], secret),
            token(card["client_id"], tampered(secret, last)),
        ),
        Pair("registration known or not, token wrong", read(card["client_id"], tampered(rat, last)), read(unknown, tampered(rat, last))),
        Pair("registration known or not, token of another client", read(other["client_id"], rat), read(unknown, rat)),
    ]


def _body() -> bytes:
    members = {**MCP_BODY, "token_endpoint_auth_method": "client_secret_basic"}
    return repr(members).replace("'", '"').encode()


def _sent(server: Server, asked: bytes) -> Act:
    async def act() -> None:
        await Pipe(server, again(asked), 1).over

    return act


async def people(ports: Ports) -> Pair:
    """A name and a password at the form."""
    await operate.add(ports, operate.Wanted("alice", PASSWORD, {}, Role.NONE, "bench"))
    visit = Visit(ports.entropy(16), "")

    def proof(name: str) -> Act:
        transaction = sign_in.offer(ports, visit).transaction

        async def act() -> None:
            try:
                await sign_in.sign_in(ports, visit, sign_in.Proof(transaction, name, "wrong " + PASSWORD))
            except Refusal:
                return

        return act

    return Pair("person known or not, password wrong", proof("alice"), proof("nobody"))


async def main(names: Sequence[str], times: int, passwords: int) -> None:
    """The table."""
    rates = {"registration_rate": 0, "failure_rate": 0, "sign_in_rate": 0, "change_rate": 0}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w", encoding="utf-8", buffering=1) as log:
        settings = replace(complete(Settings()), data=f"{folder}/data", **rates)  # type: ignore[arg-type] # all of them are numbers
        async with opened(settings, log=Log("info", log)) as ports:
            dice = Random(7)
            print(f"{'µs, median':56} {'one':>10} {'other':>10} {'apart':>9} {'':>7} {'z':>7}")
            for pair in await pairs(Server(ports)):
                if not names or any(name in pair.name for name in names):
                    print(await compared(pair, times, dice), flush=True)
            print(await compared(await people(ports), passwords, dice))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the time of an answer tells.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--passwords", type=int, default=200)
    given = parser.parse_args()
    uvloop.run(main(given.names, given.pairs, given.passwords))
