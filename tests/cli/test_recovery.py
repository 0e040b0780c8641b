"""Lost and rotated credentials at the command line (M-41, S1-47)."""

import json
from typing import Any

from tests.cli.conftest import Operator
from tests.ledger import meets
from tests.world import World


async def seen(server: World, card: dict[str, Any], token: str) -> int:
    """How a read with this token is answered."""
    return (await server.call("GET", f"/register/{card['client_id']}", b"", {"authorization": f"Bearer {token}"})).status


async def a_machine(server: World) -> dict[str, Any]:
    return await server.machine()


@meets("M-41", "S1-47")
def test_a_client_that_lost_its_token_gets_one_that_is_printed_once_and_noted_with_the_operators_name(operator: Operator) -> None:
    card = operator.inside(a_machine)

    told = operator.told("client", "recover", card["client_id"])

    async def asks(server: World) -> list[int]:
        tokens = [one["registration_access_token"] for one in (card, told)]
        return [*[await seen(server, card, one) for one in tokens], (await server.token(card)).status]

    assert "client_secret" not in told
    assert operator.inside(asks) == [401, 200, 200]
    assert told["registration_access_token"] not in operator.people("client", "show", card["client_id"])
    assert told["registration_access_token"] not in operator.people("audit", "export")
    trail = [json.loads(line) for line in operator.people("audit", "export").splitlines()]
    assert [line["content"]["body"] for line in trail if line["kind"] == "client_recovered"] == [{"by": "olga", "proof": "operator"}]


def test_a_recovery_is_printed_for_people_too(operator: Operator) -> None:
    card = operator.inside(a_machine)

    lines = operator.people("client", "recover", card["client_id"]).splitlines()

    assert [line.split()[0] for line in lines] == [
        "client_id",
        "client_id_issued_at",
        "registration_access_token",
        "registration_client_uri",
    ]


def test_a_secret_alone_is_rotated_and_the_overlap_is_shown(operator: Operator) -> None:
    card = operator.inside(a_machine)

    told = operator.told("client", "rotate", card["client_id"], "--secret-only")
    shown = operator.told("client", "show", card["client_id"])

    async def asks(server: World) -> list[int]:
        with_old, with_new = await server.token(card), await server.token({**card, **told})
        return [
            with_old.status,
            with_new.status,
            (await server.token(card)).status,
            await seen(server, card, card["registration_access_token"]),
        ]

    assert "registration_access_token" not in told
    assert shown["secret_overlap_until"] - 86_400 >= shown["client_id_issued_at"]
    assert operator.inside(asks) == [200, 200, 401, 200]
    assert "secret_overlap_until" not in operator.told("client", "show", card["client_id"])


def test_after_an_incident_the_old_secret_is_dead_at_once(operator: Operator) -> None:
    card = operator.inside(a_machine)

    told = operator.told("client", "rotate", card["client_id"], "--secret-only", "--now")

    async def asks(server: World) -> list[int]:
        return [(await server.token(card)).status, (await server.token({**card, **told})).status]

    assert operator.inside(asks) == [401, 200]


def test_who_is_not_there_is_named(operator: Operator) -> None:
    assert operator.refused(1, "client", "recover", "c123") == "there is no client c123"
