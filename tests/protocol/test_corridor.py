"""Vocabulary, then policy, then a card in force: the one way in (DESIGN, "One corridor")."""

import json

import pytest

from calling_card.protocol.card.ground import Ground
from calling_card.protocol.card.metadata import needs_secret
from calling_card.protocol.clients import JSON, Card, Door, Tier
from calling_card.protocol.corridor import Passed, pass_through, within
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.policy import Decision, Outcome, Reason, Rules, invited, uninvited
from tests.ledger import meets
from tests.protocol.macs import ISSUER

GROUND = Ground(ISSUER)
ANYBODY = uninvited(None, "openid")


def through(said: Card, rules: Rules = ANYBODY, ground: Ground = GROUND, before: Card | None = None) -> Passed:
    return pass_through(said, ground, rules, ("openid", "orders"), door=Door.RFC7591, tier=Tier.ANONYMOUS, before=before)


def said(**members: JSON) -> Card:
    return {"redirect_uris": ["https://app.example/cb"], **members}


def test_a_plain_card_comes_through_completed_and_without_reasons() -> None:
    passed = through(said(client_name="Notes"))

    assert passed.card["client_name"] == "Notes"
    assert passed.card["grant_types"] == ["authorization_code"]
    assert passed.card["scope"] == "openid"
    assert (passed.reasons, passed.held) == (b"", False)


@meets("R-08")
def test_every_change_is_told_with_its_reason_those_of_the_vocabulary_first() -> None:
    passed = through(said(grant_types=["authorization_code", "client_credentials"], scope="openid unknown"))

    rows = json.loads(passed.reasons)
    assert [row[:3] for row in rows] == [
        ["scope", "openid unknown", "openid"],
        ["grant_types", ["authorization_code", "client_credentials"], ["authorization_code"]],
    ]
    assert all(row[3] for row in rows)


def test_what_the_vocabulary_refuses_never_comes_to_policy() -> None:
    with pytest.raises(Refusal) as refused:
        through(said(redirect_uris=["javascript:alert(1)"], grant_types=["client_credentials", "authorization_code"]))

    assert refused.value.no is No.INVALID_REDIRECT_URI


def test_what_policy_refuses_is_told_first_reason_first_and_all_of_them() -> None:
    rules = invited(ANYBODY, None, ["client_credentials"], ["other.example"])

    with pytest.raises(Refusal) as refused:
        through(said(), rules)

    assert refused.value.no is No.INVALID_CLIENT_METADATA
    assert [error.no for error in refused.value.errors] == [No.INVALID_CLIENT_METADATA, No.INVALID_REDIRECT_URI]
    assert refused.value.description == refused.value.errors[0].description


def test_suspicions_pass_on_to_whoever_reads_the_events() -> None:
    passed = through(said(client_name="Official Bank"))

    assert any("official" in warning or "bank" in warning for warning in passed.warnings)


def test_a_client_that_policy_holds_comes_through_and_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No built-in rule holds a client; rule sets of operators will."""

    def hold(door: Door, tier: Tier, before: Card | None, card: Card, rules: Rules) -> Decision:
        return Decision(Outcome.HOLD, card, (Reason(Outcome.HOLD, "client_name", "Notes", "Notes", "an operator looks at it first"),))

    monkeypatch.setattr("calling_card.protocol.corridor.decide", hold)

    passed = through(said(client_name="Notes"))

    assert passed.held
    assert json.loads(passed.reasons) == [["client_name", "Notes", "Notes", "an operator looks at it first"]]


def test_a_replacement_is_judged_as_a_registration_would_be() -> None:
    """What was there before opens no door: the same card is refused or let in either way."""
    before = through(said()).card
    card = said(grant_types=["client_credentials"], token_endpoint_auth_method="client_secret_basic")

    for earlier in (None, before):
        with pytest.raises(Refusal, match="client_credentials is not allowed"):
            through(card, before=earlier)


def test_a_card_in_force_comes_through_unchanged() -> None:
    once = through(said(grant_types=["authorization_code", "client_credentials"], scope="orders unknown"))

    again = through(once.card, before=once.card)

    assert (again.card, again.reasons) == (once.card, b"")


@pytest.mark.parametrize("rules", [ANYBODY, invited(ANYBODY, "orders", ["client_credentials", "refresh_token"], None)])
def test_a_card_that_policy_narrowed_is_still_one_the_vocabulary_takes(rules: Rules) -> None:
    once = through(said(grant_types=["authorization_code", "refresh_token", "client_credentials"]), rules)

    again = through(once.card, rules, before=once.card)

    assert (again.card, again.reasons) == (once.card, b"")


@pytest.mark.parametrize(
    "scope, inside",
    [("a", True), ("a b", True), ("  b  a ", True), ("", True), ("a c", False), ("A", False), (None, True), (7, True), (["c"], True)],
)
def test_a_card_asks_for_nothing_beyond_when_every_word_is_known(scope: JSON, inside: bool) -> None:
    assert within({"scope": scope}, ("a", "b")) is inside
    assert within({}, ("a", "b"))


@meets("R-41")
@pytest.mark.parametrize(
    "method, secret",
    [
        ("client_secret_basic", True),
        ("client_secret_post", True),
        ("client_secret_jwt", True),
        ("none", False),
        ("private_key_jwt", False),
        ("tls_client_auth", False),
    ],
)
def test_only_the_methods_with_a_shared_secret_want_one(method: str, secret: bool) -> None:
    assert needs_secret({"token_endpoint_auth_method": method}) is secret
    assert not needs_secret({})
