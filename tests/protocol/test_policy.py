"""What a client may become, by its tier and its invitation (RFC 7591 §5; DESIGN, "One corridor")."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.clients import JSON, Card, Door, Tier
from calling_card.protocol.errors import No
from calling_card.protocol.policy import Decision, Outcome, Rules, decide, invited, operator, uninvited
from tests.ledger import meets

ANYBODY = uninvited(None, "openid")
SERVED = ("authorization_code", "refresh_token", "client_credentials")


def a_card(**members: JSON) -> Card:
    return {
        "redirect_uris": ["https://app.example/cb"],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "openid",
        **members,
    }


def judged(card: Card, rules: Rules = ANYBODY, tier: Tier = Tier.ANONYMOUS, before: Card | None = None) -> Decision:
    return decide(Door.RFC7591, tier, before, card, rules)


def test_a_card_within_its_ceilings_is_allowed_as_it_is() -> None:
    card = a_card()

    assert judged(card) == Decision(Outcome.ALLOW, card, ())


# ── Grants ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-08")
def test_a_stranger_gets_no_power_of_its_own_and_is_told() -> None:
    card = a_card(grant_types=["authorization_code", "client_credentials"])

    decision = judged(card)

    assert decision.outcome is Outcome.NARROW
    assert decision.card == a_card()
    (reason,) = decision.reasons
    assert (reason.member, reason.was, reason.now) == ("grant_types", ["authorization_code", "client_credentials"], ["authorization_code"])
    assert reason.why == "client_credentials is not allowed to anonymous clients"


def test_what_was_said_is_not_altered_by_judging_it() -> None:
    card = a_card(grant_types=["authorization_code", "client_credentials"], scope="openid admin")
    copy = json.loads(json.dumps(card))

    judged(card, uninvited(["openid"], "openid"))

    assert card == copy


@pytest.mark.parametrize("grants", [["client_credentials"], ["client_credentials", "refresh_token"]])
def test_a_stranger_without_any_other_use_is_refused_and_told_how_to_come_in(grants: list[JSON]) -> None:
    decision = judged(a_card(grant_types=grants, response_types=[], redirect_uris=[]))

    (reason,) = decision.reasons
    assert (decision.outcome, reason.outcome, reason.no) == (Outcome.REFUSE, Outcome.REFUSE, No.INVALID_CLIENT_METADATA)
    assert reason.why == (
        "grant_types: client_credentials is not allowed to anonymous clients, which may have authorization_code, refresh_token "
        "(RFC 7591 section 5); an initial access token that allows it opens this door"
    )


def test_an_invited_client_is_not_told_to_bring_the_invitation_it_has() -> None:
    rules = invited(ANYBODY, None, [], None)

    decision = judged(a_card(), rules, Tier.TOKEN)

    (reason,) = decision.reasons
    assert reason.why == "grant_types: authorization_code is not allowed to invited clients, which may have none (RFC 7591 section 5)"


@pytest.mark.parametrize(
    "allowed, grants, kept",
    [
        (["client_credentials"], ["authorization_code", "client_credentials"], ["client_credentials"]),
        (
            ["client_credentials", "refresh_token"],
            ["authorization_code", "refresh_token", "client_credentials"],
            ["refresh_token", "client_credentials"],
        ),
    ],
)
def test_a_client_that_lost_the_code_has_no_response_type_for_it(allowed: list[str], grants: list[JSON], kept: list[JSON]) -> None:
    decision = judged(a_card(grant_types=grants), invited(ANYBODY, None, allowed, None), Tier.TOKEN)

    assert decision.outcome is Outcome.NARROW
    assert decision.card["grant_types"] == kept
    assert decision.card["response_types"] == []


def test_a_client_that_lost_only_the_implicit_grant_keeps_the_code() -> None:
    card = a_card(grant_types=["authorization_code", "implicit"], response_types=["code", "code id_token", "token"])

    assert judged(card).card["response_types"] == ["code"]


# ── Scopes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-16")
def test_scopes_above_the_ceiling_go_and_the_others_stay_in_their_order() -> None:
    decision = judged(a_card(scope="c admin a"), uninvited(["a", "b", "c"], "a"))

    (reason,) = decision.reasons
    assert decision.card["scope"] == "c a"
    assert (reason.was, reason.now, reason.why) == ("c admin a", "c a", "anonymous clients may have a b c")


def test_with_no_scope_left_the_default_takes_their_place() -> None:
    decision = judged(a_card(scope="admin"), uninvited(["a", "b"], "b x"))

    assert decision.outcome is Outcome.NARROW
    assert decision.card["scope"] == "b"


@pytest.mark.parametrize("ceiling, told", [(["b", "a"], "a b"), ([], "none")])
def test_with_no_scope_left_and_no_default_the_card_is_refused(ceiling: list[str], told: str) -> None:
    decision = judged(a_card(scope="admin"), uninvited(ceiling, "x"))

    (reason,) = decision.reasons
    assert decision.outcome is Outcome.REFUSE
    assert reason.why == f"scope: none of the scopes is allowed; allowed are: {told} (RFC 7591 section 2)"


def test_a_client_without_scopes_has_none_to_lose() -> None:
    card = {name: value for name, value in a_card().items() if name != "scope"}

    assert judged(card, uninvited(["a"], "a")).outcome is Outcome.ALLOW


# ── Hosts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("uri", ["https://app.example/cb", "https://APP.Example:8443/cb", "https://b.example/"])
def test_an_invitation_for_hosts_lets_their_callbacks_in(uri: str) -> None:
    rules = invited(ANYBODY, None, None, ["App.example", "b.example"])

    assert judged(a_card(redirect_uris=[uri]), rules, Tier.TOKEN).outcome is Outcome.ALLOW


@meets("X-104", "R-08")
@pytest.mark.parametrize(
    "uri, host",
    [
        ("https://evil.example/cb", "evil.example"),
        ("https://app.example.evil.example/cb", "app.example.evil.example"),
        ("https://xapp.example/cb", "xapp.example"),
        ("com.example.app:/cb", "(none)"),
        ("http://127.0.0.1/cb", "127.0.0.1"),
    ],
)
def test_one_callback_elsewhere_refuses_the_whole_card_and_replaces_nothing(uri: str, host: str) -> None:
    rules = invited(ANYBODY, None, None, ["app.example"])

    decision = judged(a_card(redirect_uris=["https://app.example/cb", uri]), rules, Tier.TOKEN)

    (reason,) = decision.reasons
    assert (decision.outcome, reason.no, reason.was) == (Outcome.REFUSE, No.INVALID_REDIRECT_URI, uri)
    assert reason.why == f"redirect_uris: the host {host} is not one this invitation allows: app.example (RFC 7591 section 5)"
    assert decision.card["redirect_uris"] == ["https://app.example/cb", uri]


# ── Whole cards ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_reasons_are_told_and_the_worst_of_them_decides() -> None:
    rules = invited(ANYBODY, "a", None, ["app.example"])
    card = a_card(grant_types=["authorization_code", "client_credentials"], scope="a b", redirect_uris=["https://evil.example/"])

    decision = judged(card, rules, Tier.TOKEN)

    assert [reason.member for reason in decision.reasons] == ["grant_types", "scope", "redirect_uris"]
    assert [reason.outcome for reason in decision.reasons] == [Outcome.NARROW, Outcome.NARROW, Outcome.REFUSE]
    assert decision.outcome is Outcome.REFUSE


@st.composite
def cards(draw: st.DrawFn) -> Card:
    grants: list[JSON] = list(draw(st.lists(st.sampled_from(SERVED), unique=True)))
    scope = " ".join(draw(st.lists(st.sampled_from(["a", "b", "admin"]), unique=True, min_size=1)))
    uris: list[JSON] = list(draw(st.lists(st.sampled_from(["https://app.example/cb", "https://evil.example/cb"]), unique=True)))
    return a_card(grant_types=grants, scope=scope, redirect_uris=uris)


RULES = [uninvited(["a", "b"], "a"), invited(ANYBODY, "a", ["client_credentials"], ["app.example"]), operator(SERVED)]


@given(cards(), st.none() | cards(), st.sampled_from(RULES), st.sampled_from(list(Tier)), st.sampled_from(list(Door)))
def test_the_whole_card_is_judged_whatever_door_it_came_by_and_whatever_was_there_before(
    card: Card, before: Card | None, rules: Rules, tier: Tier, door: Door
) -> None:
    """A member that was not sent now, and stands in the completed card all the same, is judged like any other."""
    decision, fresh = decide(door, tier, before, card, rules), decide(Door.RFC7591, tier, None, card, rules)

    assert decision == fresh
    if decision.outcome is not Outcome.REFUSE:
        grants, scopes = decision.card["grant_types"], decision.card["scope"]
        assert isinstance(grants, list)
        assert isinstance(scopes, str)
        assert rules.grants.issuperset(str(grant) for grant in grants)
        assert rules.scopes is None or rules.scopes.issuperset(scopes.split())
        assert rules.hosts is None or "https://evil.example/cb" not in str(decision.card["redirect_uris"])


@given(cards(), st.sampled_from(RULES), st.sampled_from(list(Tier)))
def test_what_came_through_once_comes_through_again_unchanged(card: Card, rules: Rules, tier: Tier) -> None:
    once = judged(card, rules, tier)

    again = judged(once.card, rules, tier, before=once.card)

    if once.outcome is not Outcome.REFUSE:
        assert again == Decision(Outcome.ALLOW, once.card, ())


# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_where_an_invitation_is_silent_the_rules_of_strangers_hold() -> None:
    base = uninvited(["a", "b"], "a")

    rules = invited(base, None, None, None)

    assert rules == Rules("invited", base.grants, base.scopes, "a", None)


@pytest.mark.parametrize("grants", [["client_credentials"], ["authorization_code", "client_credentials"]])
def test_silence_about_scopes_is_no_leave_to_take_them_all_where_nobody_decides_later(grants: list[str]) -> None:
    rules = invited(ANYBODY, None, grants, None)

    decision = judged(a_card(scope="openid admin"), replace(rules, grants=frozenset(SERVED)), Tier.TOKEN)

    assert (rules.scopes, decision.card["scope"]) == (frozenset({"openid"}), "openid")
    assert invited(ANYBODY, None, ["authorization_code", "refresh_token"], None).scopes is None


def test_what_an_invitation_says_takes_the_place_of_the_rules_of_strangers() -> None:
    rules = invited(uninvited(["a"], "a"), "x y", ["client_credentials"], ["APP.example"])

    assert rules == Rules("invited", frozenset({"client_credentials"}), frozenset({"x", "y"}), "x y", frozenset({"app.example"}))


def test_an_operator_may_register_everything_that_is_served() -> None:
    card = a_card(grant_types=["client_credentials"], response_types=[], redirect_uris=[], scope="anything at all")

    assert judged(card, operator(SERVED), Tier.ADMIN).outcome is Outcome.ALLOW
    assert judged(a_card(grant_types=["password"]), operator(SERVED), Tier.ADMIN).outcome is Outcome.REFUSE
