"""An answer's time tells no more than its words: both ways do the same work; how long it takes, `benches/timing.py` measures (Z3)."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from calling_card.keys.keyring import FileKeyring
from tests.world import World, rat, world

UNKNOWN = "cAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    """A server."""
    return await world(tmp_path)


@pytest.fixture
def macs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kind of every MAC that is made."""
    made: list[str] = []
    mac: Callable[[FileKeyring, int, str, bytes], bytes | None] = FileKeyring.mac

    def noted(keyring: FileKeyring, number: int, kind: str, message: bytes) -> bytes | None:
        made.append(kind)
        return mac(keyring, number, kind, message)

    monkeypatch.setattr(FileKeyring, "mac", noted)
    return made


def tampered(credential: str) -> str:
    """Another letter near the end."""
    return credential[:-2] + ("A" if credential[-2] != "A" else "B") + credential[-1]


async def introspected(server: World, macs: list[str], client_id: str, secret: str) -> tuple[list[str], bytes]:
    """What was computed for a client that shows this secret, and what it is told."""
    macs.clear()
    proof = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    headers = {"authorization": f"Basic {proof}", "content-type": "application/x-www-form-urlencoded"}
    reply = await server.call("POST", "/introspect", b"token=x", headers)
    assert reply.no == (401, "invalid_client")
    return list(macs), reply.body


def guess(secret: str) -> str:
    """Something that has nothing of a secret of ours."""
    del secret
    return "guess"


@pytest.mark.parametrize("shown", [str, tampered, guess], ids=["of another client", "wrong", "none of ours"])
async def test_a_secret_costs_the_same_whether_its_client_is_known_or_not(
    server: World, macs: list[str], shown: Callable[[str], str]
) -> None:
    card, other = await server.register(), await server.register()

    known = await introspected(server, macs, other["client_id"], shown(card["client_secret"]))
    unknown = await introspected(server, macs, UNKNOWN, shown(card["client_secret"]))

    assert known == unknown


async def test_a_registration_access_token_costs_the_same_whether_its_client_is_known_or_not(server: World, macs: list[str]) -> None:
    card, other = await server.register(), await server.register()
    found: list[tuple[list[str], int, bytes]] = []

    for client_id in (other["client_id"], UNKNOWN):
        for token in (rat(card), tampered(rat(card))):
            macs.clear()
            reply = await server.call("GET", f"/register/{client_id}", b"", {"authorization": f"Bearer {token}"})
            found.append((list(macs), reply.status, reply.body))

    assert found[:2] == found[2:]
