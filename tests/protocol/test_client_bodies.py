"""What well-known clients send when they register is taken under the shipped defaults, and stays what they go on with."""

import json
from pathlib import Path

import pytest

from calling_card.protocol.card.ground import Ground
from calling_card.protocol.card.metadata import Judged, judge
from calling_card.protocol.clients import Card, words
from calling_card.protocol.syntax import read_object
from tests.ledger import meets

GROUND = Ground(issuer="https://as.example")
SCOPES = ("openid", "profile", "email", "offline_access")
BODIES = sorted((Path(__file__).parent.parent / "clients").glob("*.json"))


def judged(body: Path) -> tuple[Card, Judged]:
    said = read_object(body.read_bytes())
    return said, judge(said, GROUND, scopes=SCOPES, default_scope="openid")


def named(name: str) -> Judged:
    return judged(next(body for body in BODIES if body.stem == name))[1]


def test_the_bodies_are_there() -> None:
    assert len(BODIES) == 23


@meets("R-105", "R-07", "R-31")
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.stem)
def test_the_body_of_a_real_client_is_taken(body: Path) -> None:
    said, found = judged(body)

    assert found.card["redirect_uris"] == said["redirect_uris"]
    assert found.card["token_endpoint_auth_method"] == said.get("token_endpoint_auth_method", "client_secret_basic")
    assert set(words(said.get("grant_types"))) >= set(words(found.card["grant_types"])) or "grant_types" not in said
    assert json.loads(json.dumps(found.card)) == found.card
    assert all(value not in (None, "") for value in found.card.values())


@meets("R-105")
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.stem)
def test_a_client_that_sends_back_its_whole_answer_changes_nothing(body: Path) -> None:
    card = judged(body)[1].card

    again = judge(card, GROUND, scopes=SCOPES, default_scope="openid")

    assert again.card == card
    assert again.changes == ()


@meets("H-07")
def test_visual_studio_code_loses_the_device_grant_and_is_told() -> None:
    found = named("vs-code")

    assert found.card["grant_types"] == ["authorization_code", "refresh_token"]
    assert [change.member for change in found.changes] == ["grant_types"]


@meets("H-07")
def test_librechat_gets_the_one_response_type_there_is() -> None:
    assert named("librechat").card["response_types"] == ["code"]


@meets("H-09", "C-32")
def test_cursor_has_three_callbacks_of_three_kinds() -> None:
    found = named("cursor")

    assert found.card["application_type"] == "web"
    assert any("private-use scheme" in warning for warning in found.warnings)


@meets("R-100", "C-32")
@pytest.mark.parametrize("name", ["copilot-cli", "opencode", "private-scheme", "claude-code"])
def test_programs_on_the_device_are_reported_as_native(name: str) -> None:
    assert named(name).card["application_type"] == "native"


@meets("H-07")
def test_an_algorithm_beside_a_secret_is_dropped_for_idpyoidc() -> None:
    found = named("idpyoidc")

    assert "token_endpoint_auth_signing_alg" not in found.card
    assert [change.member for change in found.changes] == ["token_endpoint_auth_signing_alg"]


@meets("R-12", "R-58")
def test_machines_and_strangers_to_our_vocabulary_pass() -> None:
    assert named("openid-client-machine").card["response_types"] == []
    assert "resource" not in named("turnstone").card


@meets("H-16", "R-106")
def test_scopes_that_only_the_resource_knows_leave_the_known_ones() -> None:
    assert named("mcp-python-2.3").card["scope"] == "offline_access"
    assert named("ts-client-2.4").card["scope"] == "openid"
