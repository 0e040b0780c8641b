"""An operator's rules and ceilings: what each condition asks, what each outcome does, and that nothing passes by omission (A-87)."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.card.ground import Ground
from calling_card.protocol.clients import JSON, Card, Door, Tier
from calling_card.protocol.corridor import Weighed, pass_through, weigh
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.policy import Decision, Guest, Outcome, Rules, decide, shorter, under, uninvited
from calling_card.protocol.policy.conditions import ROWS, TIERS
from calling_card.protocol.policy.rows import Rule
from tests.ledger import meets
from tests.policies import policy

WIDE = Rules("wide", frozenset({"authorization_code", "refresh_token", "client_credentials"}), None, "openid")
GUEST = Guest("0a0b", "partners", "olga", "https://directory.example", {"https://api.example": "orders:read", "https://b.example": "b"})
GROUND = Ground("https://as.example", extensions=())
SCOPES = ("openid", "email", "orders:read", "admin")
CARD: Card = {
    "redirect_uris": ["https://app.example/cb", "https://b.app.example/cb"],
    "token_endpoint_auth_method": "client_secret_basic",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "application_type": "web",
    "scope": "openid orders:read",
    "client_name": "Official Tea",
    "software_id": "tea-1",
    "software_version": "2",
}


def judged(
    text: str,
    card: Card | None = None,
    /,
    *,
    tier: Tier = Tier.TOKEN,
    door: Door = Door.RFC7591,
    before: Card | None = None,
    whose: Guest = GUEST,
) -> Decision:
    """The decision about a completed card under a policy."""
    return decide(door, tier, before, CARD if card is None else card, under(WIDE, policy(text), tier, whose))


def rule(then: str, when: str = "", unless: str = "") -> str:
    spared = f"unless = {{ {unless} }}\n" if unless else ""
    return f'[[rule]]\nname = "r"\nwhen = {{ {when} }}\n{spared}then = {then}\n'


def refused(decision: Decision) -> bool:
    return decision.outcome is Outcome.REFUSE


# ── Conditions ───────────────────────────────────────────────────────────────────────────────────────────────────────

CONDITIONS = [
    ("tier", "token", "url"),
    ("door", "rfc7591", "cimd"),
    ("change", "create", "update"),
    ("invitation", "partners", "others"),
    ("invitation", "0a0b", "0a0c"),
    ("owner", "olga", "otto"),
    ("issuer", "https://directory.example", "https://other.example"),
    ("brand", "Tea", "Cocoa"),
    ("redirect_host", "app.example", "example"),
    ("redirect_host", "*.app.example", "*.b.app.example"),
    ("redirect_scheme", "https", "http"),
    ("preset", "ours", "theirs"),
    ("software_id", "tea-1", "tea-2"),
    ("software_version", "2", "3"),
    ("application_type", "web", "native"),
    ("grant", "refresh_token", "client_credentials"),
    ("response_type", "code", "token"),
    ("auth_method", "client_secret_basic", "none"),
    ("scope", "orders:read", "admin"),
    ("resource", "https://api.example", "https://b.example"),
]
PRESETS = '[preset.ours]\ncallbacks = ["https://app.example/cb"]\n[preset.theirs]\ncallbacks = ["https://other.example/cb"]\n'


def test_every_condition_is_tried_here() -> None:
    assert {row.name for row in ROWS} == {name for name, _, _ in CONDITIONS} | {"grants_together"}


@meets("A-87")
@pytest.mark.parametrize("name, yes, no", CONDITIONS)
def test_a_condition_holds_for_one_of_its_values_and_for_no_other(name: str, yes: str, no: str) -> None:
    when = PRESETS + rule('"refuse"', f"{name} = {json.dumps([no, yes])}")
    other = PRESETS + rule('"refuse"', f"{name} = {json.dumps([no])}")

    assert refused(judged(when))
    assert judged(other).outcome is Outcome.ALLOW


@pytest.mark.parametrize("name, yes, no", CONDITIONS)
def test_what_is_not_there_matches_nothing_in_either_direction(name: str, yes: str, no: str) -> None:
    when, unless = f"{name} = {json.dumps([yes])}", f"{name} = {json.dumps([no])}"
    bare: Card = {}
    always = name in ("tier", "door", "change")

    assert refused(judged(PRESETS + rule('"refuse"', when), bare, whose=Guest())) is always
    assert refused(judged(PRESETS + rule('"refuse"', unless=unless), bare, whose=Guest()))


def test_all_conditions_of_a_rule_must_hold() -> None:
    assert refused(judged(rule('"refuse"', 'tier = ["token"], software_id = ["tea-1"]')))
    assert not refused(judged(rule('"refuse"', 'tier = ["token"], software_id = ["other"]')))


def test_a_rule_for_updates_leaves_newcomers_alone_and_the_other_way_round() -> None:
    assert refused(judged(rule('"refuse"', 'change = ["update"]'), before=CARD))
    assert not refused(judged(rule('"refuse"', 'change = ["create"]'), before=CARD))


@meets("X-83")
def test_a_wildcard_host_in_a_rule_is_no_suffix() -> None:
    card: Card = {**CARD, "redirect_uris": ["https://evil-app.example/cb"]}

    assert judged(rule('"allow"', 'redirect_host = ["*.app.example"]') + refuse_all(), card).outcome is Outcome.REFUSE


def refuse_all() -> str:
    return '[[rule]]\nname = "all"\nthen = "refuse"\n'


@meets("A-87")
def test_of_mixed_lists_doubt_goes_against_the_client() -> None:
    one, both = '"app.example"', '"app.example", "*.app.example"'

    assert refused(judged(rule('"refuse"', f"redirect_host = [{one}]")))
    assert refused(judged(rule('"allow"', f"redirect_host = [{one}]") + refuse_all()))
    assert not refused(judged(rule('"allow"', f"redirect_host = [{both}]") + refuse_all()))
    assert refused(judged(rule('"refuse"', unless=f"redirect_host = [{one}]")))
    assert not refused(judged(rule('"refuse"', unless=f"redirect_host = [{both}]")))
    assert refused(judged(rule('"allow"', unless=f"redirect_host = [{one}]") + refuse_all()))


def test_a_redirect_without_a_host_is_on_no_list() -> None:
    card: Card = {**CARD, "redirect_uris": ["https://app.example/cb", "com.example.app:/cb"]}

    assert refused(judged(rule('"refuse"', unless='redirect_host = ["app.example"]'), card))


@meets("R-17")
def test_grants_that_must_not_come_together_may_come_alone() -> None:
    text = rule('"refuse"', 'grants_together = ["authorization_code", "client_credentials"]')
    both: Card = {**CARD, "grant_types": ["authorization_code", "client_credentials"]}

    decision = judged(text, both)

    assert not refused(judged(text))
    (reason,) = decision.reasons
    assert (reason.no, reason.member, reason.rule) == (No.INVALID_CLIENT_METADATA, "grant_types", "r")
    assert reason.why == "grant_types: the policy of this server refuses such clients (RFC 7591 section 5)"


# ── Outcomes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-87")
def test_the_first_rule_that_lets_through_ends_the_judging_and_reasons_name_their_rule() -> None:
    text = rule('"hold"', 'tier = ["token"]') + '[[rule]]\nname = "enough"\nthen = "allow"\n' + refuse_all()

    decision = judged(text)

    assert decision.outcome is Outcome.HOLD
    assert [(reason.rule, reason.outcome, reason.why) for reason in decision.reasons] == [
        ("r", Outcome.HOLD, "such clients wait until the operator of this server has approved them")
    ]


def test_who_is_held_by_one_rule_is_still_refused_by_a_later_one() -> None:
    decision = judged(rule('"hold"') + refuse_all())

    assert (decision.outcome, [reason.rule for reason in decision.reasons]) == (Outcome.REFUSE, ["r", "all"])


def test_a_refusal_says_what_the_operator_wrote_and_names_the_member_that_was_looked_at() -> None:
    text = rule('"refuse"', 'tier = ["token"], redirect_host = ["app.example"]') + 'why = "write to us first"\n'

    (reason,) = judged(text).reasons

    assert (reason.no, reason.why) == (No.INVALID_REDIRECT_URI, "redirect_uris: write to us first (RFC 7591 section 5)")


def test_a_refusal_for_who_somebody_is_names_no_member() -> None:
    (reason,) = judged(refuse_all()).reasons

    assert (reason.no, reason.member, reason.why) == (
        No.INVALID_CLIENT_METADATA, "", "the policy of this server refuses such clients (RFC 7591 section 5)"
    )  # fmt: skip


@pytest.mark.parametrize(
    "narrow, member, left",
    [
        ('{ scope = ["openid", "email"] }', "scope", "openid"),
        ('{ grant_types = ["authorization_code"] }', "grant_types", ["authorization_code"]),
    ],
)
def test_a_rule_takes_values_away_and_tells(narrow: str, member: str, left: JSON) -> None:
    decision = judged(rule(f"{{ narrow = {narrow} }}"))

    (reason,) = decision.reasons
    assert (decision.outcome, decision.card[member]) == (Outcome.NARROW, left)
    assert (reason.member, reason.was, reason.now, reason.why) == (
        member, CARD[member], left, "the policy of this server takes it from such clients"
    )  # fmt: skip


def test_a_grant_that_goes_takes_its_response_types_along() -> None:
    card: Card = {**CARD, "grant_types": ["authorization_code", "client_credentials"]}

    decision = judged(rule('{ narrow = { grant_types = ["client_credentials"] } }'), card)

    assert (decision.card["grant_types"], decision.card["response_types"]) == (["client_credentials"], [])


@pytest.mark.parametrize("narrow", ['{ scope = ["email"] }', '{ grant_types = ["refresh_token"] }', '{ response_types = ["token"] }'])
def test_a_client_of_which_nothing_of_use_would_be_left_is_refused(narrow: str) -> None:
    assert refused(judged(rule(f"{{ narrow = {narrow} }}")))


def test_narrowing_begins_again_so_that_rules_judge_what_comes_into_force() -> None:
    text = (
        rule('"refuse"', unless='scope = ["openid", "orders:read"]')
        + '[[rule]]\nname = "no orders"\nwhen = { scope = ["orders:read"] }\nthen = { narrow = { scope = ["openid"] } }\n'
        + '[[rule]]\nname = "known"\nwhen = { scope = ["openid"] }\nthen = "allow"\n'
        + refuse_all()
    )

    decision = judged(text)

    assert (decision.outcome, decision.card["scope"], [reason.rule for reason in decision.reasons]) == (
        Outcome.NARROW, "openid", ["no orders"]
    )  # fmt: skip


@pytest.mark.parametrize(
    "wanted, met",
    [
        ('{ application_type = ["web", "native"] }', True),
        ('{ application_type = ["native"] }', False),
        ('{ grant_types = ["authorization_code", "refresh_token"] }', True),
        ('{ grant_types = ["authorization_code"] }', False),
        ('{ scope = ["openid", "orders:read"] }', True),
        ('{ scope = ["openid"] }', False),
        ('{ client_uri = ["https://app.example/"] }', False),
        ('{ require_auth_time = ["true"] }', False),
    ],
)
def test_what_is_wanted_must_be_said_with_every_value(wanted: str, met: bool) -> None:
    decision = judged(rule(f"{{ require = {wanted} }}"))

    assert refused(decision) is not met


def test_a_flag_that_is_wanted_is_met_by_the_flag() -> None:
    wanted = rule('{ require = { require_auth_time = ["true"] } }')

    assert not refused(judged(wanted, {**CARD, "require_auth_time": True}))
    assert refused(judged(wanted, {**CARD, "require_auth_time": False}))
    assert refused(judged(wanted, {**CARD, "require_auth_time": None}))


def test_who_is_refused_for_want_of_something_is_told_what() -> None:
    (reason,) = judged(rule('{ require = { application_type = ["native"] } }')).reasons

    assert (
        reason.why
        == "application_type: the policy of this server wants something else of such clients; it must be native (RFC 7591 section 5)"
    )


# ── Software ─────────────────────────────────────────────────────────────────────────────────────────────────────────

KNOWN = '[[software]]\nid = "tea-1"\nredirect_hosts = ["app.example", "*.app.example"]\nclient_uri_hosts = ["www.app.example"]\n'


@meets("R-89")
@pytest.mark.parametrize(
    "members, member",
    [
        ({}, ""),
        ({"client_uri": "https://www.app.example/"}, ""),
        ({"software_id": "other", "redirect_uris": ["https://evil.example/cb"]}, ""),
        ({"redirect_uris": ["https://app.example/cb", "https://evil.example/cb"]}, "redirect_uris"),
        ({"redirect_uris": ["com.example.app:/cb"]}, "redirect_uris"),
        ({"client_uri": "https://evil.example/"}, "client_uri"),
    ],
)
def test_known_software_that_lives_somewhere_else_is_refused(members: Card, member: str) -> None:
    decision = judged(KNOWN, {**CARD, **members})

    assert [reason.member for reason in decision.reasons] == ([member] if member else [])
    assert refused(decision) is bool(member)


@meets("R-89")
def test_known_software_that_lives_somewhere_else_may_be_held_and_no_rule_lets_it_through() -> None:
    text = KNOWN + 'then = "hold"\nwhy = "tea lives elsewhere"\n' + '[[rule]]\nname = "all"\nthen = "allow"\n'

    decision = judged(text, {**CARD, "client_uri": "https://evil.example/"})

    (reason,) = decision.reasons
    assert (decision.outcome, reason.rule, reason.why) == (Outcome.HOLD, "software tea-1", "tea lives elsewhere")


# ── Ceilings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def weighed(text: str, said: Card, tier: Tier = Tier.TOKEN, rules: Rules = WIDE) -> Weighed:
    """What the whole corridor makes of what a client says."""
    return weigh(said, GROUND, under(rules, policy(text), tier, GUEST), SCOPES, door=Door.RFC7591, tier=tier, before=None)


def ceiling(text: str) -> str:
    return f"[ceiling.token]\n{text}\n"


SECTION = "(RFC 7591 section 2)"
SAID: Card = {"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "client_secret_basic", "scope": "openid"}
KEYS: Card = {"jwks_uri": "https://app.example/jwks", "token_endpoint_auth_method": "private_key_jwt"}


@meets("A-87")
@pytest.mark.parametrize(
    "text, members, why",
    [
        ('scopes = ["email"]', {"scope": "admin"}, "scope: none of the scopes is allowed; allowed are: email (RFC 7591 section 2)"),
        (
            'grants = ["client_credentials"]', {},
            "grant_types: authorization_code is not allowed to wide clients, which may have client_credentials (RFC 7591 section 5)",
        ),
        (
            'auth_methods = ["none"]', {},
            f"token_endpoint_auth_method: this server does not serve it (yet); it serves none {SECTION}, got 'client_secret_basic'",
        ),
        (
            'algorithms = ["ES256"]', KEYS,
            "token_endpoint_auth_signing_alg: must be said; token clients may have ES256 (RFC 7591 section 5)",
        ),
        (
            'algorithms = ["ES256"]', {**KEYS, "token_endpoint_auth_signing_alg": "RS256"},
            "token_endpoint_auth_signing_alg: is not served; served are ES256 (OIDC Registration section 2)",
        ),
        (
            'redirect_hosts = ["b.example"]', {},
            "redirect_uris: the host app.example is not one that token clients may have: b.example (RFC 7591 section 5)",
        ),
        (
            'redirect_hosts = ["app.example"]', {"redirect_uris": ["com.example.app:/cb"], "application_type": "native"},
            "redirect_uris: the host (none) is not one that token clients may have: app.example (RFC 7591 section 5)",
        ),
        (
            'redirect_schemes = ["com.example.app"]', {},
            "redirect_uris: the scheme https is not one that token clients may have: com.example.app (RFC 7591 section 5)",
        ),
    ],
)  # fmt: skip
def test_what_is_above_a_ceiling_is_told_and_refused(text: str, members: Card, why: str) -> None:
    found = weighed(ceiling(text), {**SAID, **members})

    assert [refusal.description for refusal in found.refusals] == [why]


@pytest.mark.parametrize(
    "text, members, member, left",
    [
        ('scopes = ["openid"]', {"scope": "openid admin"}, "scope", "openid"),
        ('scopes = ["openid"]', {}, "scope", "openid"),
        (
            'grants = ["authorization_code"]',
            {"grant_types": ["authorization_code", "refresh_token"]},
            "grant_types",
            ["authorization_code"],
        ),
        ('auth_methods = ["client_secret_post"]', {"token_endpoint_auth_method": None}, "token_endpoint_auth_method", "client_secret_post"),
        ('algorithms = ["ES256"]', {}, "id_token_signed_response_alg", "ES256"),
        (
            'algorithms = ["ES256"]',
            {**KEYS, "token_endpoint_auth_signing_alg": "ES256"},
            "token_endpoint_auth_signing_alg",
            "ES256",
        ),
        ('redirect_hosts = ["app.example"]\nredirect_schemes = ["https"]', {}, "redirect_uris", ["https://app.example/cb"]),
        (
            'redirect_hosts = ["app.example"]\nredirect_schemes = ["com.example.app", "https"]',
            {"redirect_uris": ["com.example.app:/cb", "https://app.example/cb"], "application_type": "native"},
            "application_type",
            "native",
        ),
    ],
)
def test_what_is_within_a_ceiling_or_can_be_brought_there_comes_in(text: str, members: Card, member: str, left: JSON) -> None:
    found = weighed(ceiling(text), {**SAID, **members})

    assert not found.refusals
    assert found.decision is not None
    assert found.decision.card[member] == left


def test_a_card_that_was_completed_elsewhere_is_held_to_the_ceilings_too() -> None:
    assert refused(judged(ceiling('auth_methods = ["none"]')))
    assert refused(judged(ceiling('algorithms = ["ES256"]'), {**CARD, "id_token_signed_response_alg": "RS256"}))


def test_a_ceiling_is_of_its_tier_alone() -> None:
    assert not weighed(ceiling("scopes = []"), SAID, Tier.ANONYMOUS).refusals
    assert weighed(ceiling("scopes = []"), SAID).refusals


@meets("H-03", "M-30")
def test_a_ceiling_takes_away_and_never_gives() -> None:
    strangers = uninvited(["openid"], "openid email")
    text = '[ceiling.anonymous]\nscopes = ["openid", "admin"]\ngrants = ["authorization_code", "client_credentials"]\n'

    rules = under(strangers, policy(text), Tier.ANONYMOUS, Guest())

    assert (rules.scopes, rules.grants, rules.default_scope) == (frozenset({"openid"}), frozenset({"authorization_code"}), "openid")


def test_without_a_policy_the_rules_are_as_they_were() -> None:
    assert under(WIDE, None, Tier.TOKEN, GUEST) is WIDE


@pytest.mark.parametrize("seconds, bound, left", [(0, 0, 0), (0, 60, 60), (90, 60, 60), (30, 60, 30), (30, 0, 30)])
def test_the_shorter_of_two_lifetimes_counts_and_zero_has_no_end(seconds: int, bound: int, left: int) -> None:
    assert shorter(seconds, bound) == left


# ── Nothing passes by omission ───────────────────────────────────────────────────────────────────────────────────────

POLICIES = (
    rule('"refuse"', 'auth_method = ["client_secret_basic"]'),
    rule('"refuse"', 'grant = ["authorization_code"]'),
    rule('"refuse"', 'response_type = ["code"]'),
    rule('"refuse"', 'application_type = ["web"]'),
    rule('"refuse"', 'scope = ["openid"]'),
    rule('"hold"', unless='auth_method = ["none"]'),
    rule('"refuse"', unless='application_type = ["native"]'),
    rule('{ require = { id_token_signed_response_alg = ["ES256"] } }'),
    rule('{ require = { subject_type = ["public"] } }'),
    rule('{ narrow = { scope = ["email"] } }'),
    rule('{ narrow = { grant_types = ["authorization_code"] } }'),
    rule('"allow"', 'auth_method = ["client_secret_basic"]') + refuse_all(),
    ceiling('algorithms = ["ES256", "PS256"]'),
    ceiling('auth_methods = ["client_secret_post", "none"]'),
    ceiling('scopes = ["email"]\ngrants = ["authorization_code"]'),
    ceiling('redirect_hosts = ["*.app.example"]'),
)
MEMBERS: dict[str, tuple[JSON, ...]] = {
    "redirect_uris": (["https://app.example/cb"], ["https://a.app.example/cb", "https://app.example/cb"], ["http://127.0.0.1/cb"]),
    "token_endpoint_auth_method": ("none", "client_secret_basic", "client_secret_post"),
    "grant_types": (["authorization_code"], ["authorization_code", "refresh_token"], ["client_credentials"]),
    "response_types": (["code"],),
    "application_type": ("web", "native"),
    "scope": ("openid", "openid email", "admin"),
    "id_token_signed_response_alg": ("RS256", "ES256"),
    "subject_type": ("public",),
}


@st.composite
def said(draw: st.DrawFn) -> Card:
    """What a client might say, with or without each member."""
    return {name: draw(st.sampled_from(values)) for name, values in MEMBERS.items() if draw(st.booleans())}


@meets("X-35", "X-80")
@given(text=st.sampled_from(POLICIES), body=said(), data=st.data())
def test_a_member_that_is_left_out_is_judged_like_its_default(text: str, body: Card, data: st.DataObject) -> None:
    first = weighed(text, body)
    if first.judged is None or first.decision is None:
        return
    whole = first.judged.card
    left_out = data.draw(st.sets(st.sampled_from(sorted(whole.keys() - body.keys()) or ["scope"])))
    again = weighed(text, {**body, **{name: value for name, value in whole.items() if name not in left_out and name not in body}})

    assert again.decision is not None
    assert (again.decision.outcome, again.decision.card) == (first.decision.outcome, first.decision.card)


@meets("X-35", "X-30")
@given(text=st.sampled_from(POLICIES), body=said())
def test_what_comes_into_force_would_come_in_again_as_it_is(text: str, body: Card) -> None:
    first = weighed(text, body)
    if first.refusals or first.decision is None:
        return
    again = weighed(text, first.decision.card)

    assert not again.refusals
    assert again.decision is not None
    assert again.decision.card == first.decision.card
    assert again.decision.outcome in (Outcome.ALLOW, Outcome.HOLD)


@meets("X-81")
@pytest.mark.parametrize("before, after, verdict", [("none", "client_secret_basic", True), ("client_secret_basic", "none", False)])
def test_a_change_is_judged_by_what_the_client_becomes_and_not_by_what_it_was(before: str, after: str, verdict: bool) -> None:
    text = rule('"refuse"', 'auth_method = ["client_secret_basic"], change = ["update"]')

    decision = judged(text, {**CARD, "token_endpoint_auth_method": after}, before={**CARD, "token_endpoint_auth_method": before})

    assert refused(decision) is verdict


KINDS = ('"allow"', '"refuse"', '"hold"', '{ narrow = { scope = ["openid"] } }', '{ require = { scope = ["openid"] } }')


@meets("A-87", "X-35")
@pytest.mark.parametrize("before", [None, CARD])
@pytest.mark.parametrize("tier", TIERS.values())
@pytest.mark.parametrize("door", [door for door in Door if door is not Door.ADMIN])
@pytest.mark.parametrize("then", KINDS)
def test_every_rule_kind_decides_alike_at_every_door_for_every_tier(then: str, door: Door, tier: Tier, before: Card | None) -> None:
    here = f'door = ["{door.value}"], tier = ["{tier.name.lower()}"], change = ["{"update" if before else "create"}"]'
    elsewhere = Door.CIMD if door is not Door.CIMD else Door.RFC7591

    named = judged(rule(then, here), tier=tier, door=door, before=before)
    unnamed = judged(rule(then), tier=tier, door=door, before=before)
    other = judged(rule(then, here), tier=tier, door=elsewhere, before=before)

    assert named == unnamed
    assert other == Decision(Outcome.ALLOW, CARD, ())


def test_what_comes_through_says_by_which_policy_and_rule() -> None:
    found = policy(rule('{ narrow = { scope = ["openid"] } }'))
    rules = under(WIDE, found, Tier.TOKEN, GUEST)

    passed = pass_through({**SAID, "scope": "openid email"}, GROUND, rules, SCOPES, door=Door.RFC7591, tier=Tier.TOKEN, before=None)

    told = passed.told()
    assert told["policy"] == found.label
    assert told["decision"] == [
        ["scope", "openid email", "openid", "the policy of this server takes it from such clients", f"{found.label}: r"]
    ]


def test_a_judgement_that_ends_in_the_vocabulary_has_no_decision() -> None:
    found = weighed(refuse_all(), {"redirect_uris": ["nowhere"], "scope": 7})

    assert (found.judged, found.decision) == (None, None)
    assert len(found.refusals) == 2
    assert all(isinstance(refusal, Refusal) for refusal in found.refusals)


def test_a_policy_knows_whether_it_asks_for_resource_servers() -> None:
    assert policy(rule('"refuse"', 'resource = ["https://api.example"]')).asks_resources
    assert policy(rule('"refuse"', unless='resource = ["https://api.example"]')).asks_resources
    assert not policy(refuse_all()).asks_resources


def test_rules_can_be_put_in_another_order_and_the_first_one_wins() -> None:
    found = policy(rule('"allow"') + refuse_all())
    turned: list[Rule] = list(reversed(found.rules))

    first = decide(Door.RFC7591, Tier.TOKEN, None, CARD, under(WIDE, found, Tier.TOKEN, GUEST))
    last = decide(Door.RFC7591, Tier.TOKEN, None, CARD, under(WIDE, replace(found, rules=turned), Tier.TOKEN, GUEST))

    assert (first.outcome, last.outcome) == (Outcome.ALLOW, Outcome.REFUSE)


@meets("X-46")
@pytest.mark.parametrize(
    "members",
    [
        {"client_name": "ACME Bank Login"},
        {"client_name": "Notes", "client_name#fr": "Acme-Bank officiel"},
        {"client_name": "\u0410\u0441m\u0435 B\u0430nk"},
    ],
)
def test_whoever_takes_the_operators_brand_into_its_name_must_live_at_the_operators(members: dict[str, str]) -> None:
    text = rule('"refuse"', 'brand = ["Acme Bank"]', 'redirect_host = ["*.acme.example"]')

    assert refused(judged(text, {**CARD, **members}))
    assert not refused(judged(text, {**CARD, **members, "redirect_uris": ["https://app.acme.example/cb"]}))
    assert not refused(judged(text, {**CARD, "client_name": "Acorn Bank"}))
