"""What must not be guessed comes from the one good source, and looks like it (X-69)."""

import ast
import base64
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import calling_card
from calling_card.protocol.clients import Client, Door, Tier
from calling_card.protocol.corridor import Passed
from calling_card.protocol.handles.credentials import (
    CLIENT_SECRET,
    INITIAL_ACCESS_TOKEN,
    REGISTRATION_ACCESS_TOKEN,
    Handle,
    Kind,
    of_client,
    write,
)
from calling_card.usecases.register import born
from tests.ledger import meets
from tests.world import ISSUER, World, world

SOURCE = Path(calling_card.__file__).parent
WEAK = {"random", "uuid", "numpy", "tempfile"}
UNLIKELY = 255 + 8 * (2 * 255) ** 0.5
"""Eight standard deviations above what chi-square of 256 equally likely bytes is: less than once in 10 ** 12 runs."""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def chi_square(sample: bytes) -> float:
    expected, counts = len(sample) / 256, Counter(sample)
    return sum((counts[value] - expected) ** 2 / expected for value in range(256))


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


def newborn(server: World) -> Client:
    return born(
        server.ports, Passed({"token_endpoint_auth_method": "client_secret_basic"}, b"", (), held=False), Door.RFC7591, Tier.ANONYMOUS, None
    )


@meets("X-69")
def test_nothing_imports_weak_randomness_and_one_module_the_good_one() -> None:
    found = {path.relative_to(SOURCE).as_posix(): set(imports(path)) for path in SOURCE.rglob("*.py")}

    assert len(found) > 50
    assert {name for name, names in found.items() if names & WEAK} == {"cli/addresses.py"}  # a folder for one command
    assert {name for name, names in found.items() if "secrets" in names} == {"wiring.py"}


@meets("X-69")
def test_nothing_reads_the_random_device_past_its_port() -> None:
    reads = [path.name for path in SOURCE.rglob("*.py") if re.search(r"urandom|getrandom|SystemRandom", path.read_text(encoding="utf-8"))]

    assert reads == []


@meets("X-69")
async def test_a_server_draws_from_the_source_made_for_secrets(server: World) -> None:
    assert server.ports.entropy is secrets.token_bytes


@meets("X-45", "S0-07", "S3-31")
async def test_of_ten_thousand_identifiers_none_repeats_and_none_looks_like_anything_else(server: World) -> None:
    found = [newborn(server).client_id for _ in range(10_000)]

    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"c[A-Za-z0-9_-]{22}", client_id) for client_id in found)
    assert not any(client_id.startswith(("http", "/", ".", "-")) for client_id in found)


@meets("X-69")
async def test_identifiers_and_incarnations_of_new_clients_are_spread_evenly(server: World) -> None:
    clients = [newborn(server) for _ in range(10_000)]

    assert chi_square(b"".join(base64.urlsafe_b64decode(client.client_id[1:] + "==") for client in clients)) < UNLIKELY
    assert chi_square(b"".join(client.incarnation for client in clients)) < UNLIKELY


@meets("X-69", "X-103")
@pytest.mark.parametrize("kind", [CLIENT_SECRET, REGISTRATION_ACCESS_TOKEN], ids=lambda kind: kind.name)
async def test_of_a_hundred_thousand_credentials_none_repeats_and_their_secret_part_is_spread_evenly(server: World, kind: Kind) -> None:
    client = newborn(server)

    texts = [
        write(server.ports.keyring, ISSUER, Handle(kind, 1, of_client(kind, client, client.rat).owner, number)) for number in range(100_000)
    ]

    assert len(set(texts)) == len(texts)
    tails = [base64.urlsafe_b64decode(text.removeprefix(kind.prefix) + "==")[-kind.mac :] for text in texts]
    assert len(set(tails)) == len(tails)
    assert chi_square(b"".join(tails)) < UNLIKELY


def test_the_measure_would_notice_bytes_that_are_not_spread_evenly() -> None:
    letters = "".join(secrets.token_hex(16) for _ in range(1_000)).encode()

    assert chi_square(letters) > UNLIKELY
    assert chi_square(secrets.token_bytes(100_000)) < UNLIKELY


async def test_invitations_are_drawn_anew_each_time(server: World) -> None:
    found = {await server.invitation() for _ in range(100)}

    assert len(found) == 100
    assert all(len(text) == INITIAL_ACCESS_TOKEN.length for text in found)
