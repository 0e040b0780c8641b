"""An operator's policy is read strictly, and each mistake is named with its place (A-87)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.clients import Tier
from calling_card.protocol.policy.rows import Ceiling, Policy, Rule, Software, Then
from calling_card.protocol.policy.sites import PRESETS
from calling_card.protocol.policy.written import BadPolicy, policy_of
from tests.ledger import meets
from tests.policies import policy

WHOLE = """
version = 1
name = "careful"
use = ["claude"]

[preset.ours]
callbacks = ["https://tools.example/cb/*"]

[ceiling.anonymous]
scopes = ["openid"]
grants = ["authorization_code"]
auth_methods = ["none"]
algorithms = ["ES256"]
redirect_hosts = ["*.example.com"]
redirect_schemes = ["https", "com.example.app"]
secret_lifetime = 3600
refresh_lifetime = 7200
clients = 1000
consent = "always"

[[software]]
id = "tea-1"
redirect_hosts = ["tea.example"]
client_uri_hosts = ["www.tea.example"]
then = "hold"
why = "another tea"

[[rule]]
name = "friends"
when = { preset = ["claude", "ours"] }
then = "allow"

[[rule]]
name = "no pair"
when = { grants_together = ["authorization_code", "client_credentials"], tier = ["token"] }
unless = { owner = ["olga"] }
then = "refuse"
why = "one or the other"

[[rule]]
name = "signed"
then = { require = { token_endpoint_auth_method = ["private_key_jwt"], require_auth_time = ["true"] } }

[[rule]]
name = "less"
then = { narrow = { scope = ["openid"] } }
"""


@meets("A-87")
def test_everything_that_can_be_written_is_read_as_it_is_meant() -> None:
    found = policy(WHOLE.lstrip())

    assert found == Policy(
        name="careful",
        digest=found.digest,
        presets={"claude": PRESETS["claude"], "ours": ("https://tools.example/cb/*",)},
        ceilings={
            Tier.ANONYMOUS: Ceiling(
                scopes=("openid",),
                grants=("authorization_code",),
                auth_methods=("none",),
                algorithms=("ES256",),
                redirect_hosts=("*.example.com",),
                redirect_schemes=("https", "com.example.app"),
                secret_lifetime=3600,
                refresh_lifetime=7200,
                clients=1000,
                consent="always",
            )
        },
        software=(Software("tea-1", ("tea.example",), ("www.tea.example",), Then.HOLD, "another tea"),),
        rules=(
            Rule("friends", Then.ALLOW, when={"preset": ("claude", "ours")}),
            Rule(
                "no pair",
                Then.REFUSE,
                when={"grants_together": ("authorization_code", "client_credentials"), "tier": ("token",)},
                unless={"owner": ("olga",)},
                why="one or the other",
            ),
            Rule("signed", Then.REQUIRE, values={"token_endpoint_auth_method": ("private_key_jwt",), "require_auth_time": ("true",)}),
            Rule("less", Then.NARROW, values={"scope": ("openid",)}),
        ),
    )
    assert len(found.digest) == 12
    assert found.label == f"careful@{found.digest}"


def test_another_text_is_another_version() -> None:
    assert policy("").digest != policy("# another\n").digest


LINE = "must be ASCII in one line without quotes and backslashes, at most 200 characters"
RULE = '[[rule]]\nname = "r"\n'


@meets("A-87")
@pytest.mark.parametrize(
    "text, problem",
    [
        ("version = 2\nname = 'x'", "version: must be 1"),
        ("version = true\nname = 'x'", "version: must be 1"),
        ("version = 1", "name: is missing"),
        ("version = 1\nname = 'a\"b'", f"name: {LINE}"),
        ("rules = []", "rules: there is no such key; did you mean rule?"),
        ("zzz = []", "zzz: there is no such key; there is version, name, use, preset, ceiling, software, rule"),
        ("use = ['cursr']", "use: there is no preset 'cursr'; did you mean cursor?"),
        ("use = 'cursor'", "use: is not a list of texts"),
        ("use = [1]", "use: is not a list of texts"),
        ("preset = 1", "preset: is not a table"),
        ("[preset.x]\ncalls = []", "preset.x: calls: there is no such key; did you mean callbacks?"),
        ("[preset.x]\ncallbacks = []", "preset.x: callbacks: is empty"),
        ("[preset.x]\ncallbacks = ['cb']", "preset.x: callbacks: cb is no address"),
        ("use = ['cursor']\n[preset.cursor]\ncallbacks = ['a://b']", "preset.cursor: use names the one of this program already"),
        ("[ceiling.anonymos]", "ceiling: there is no tier 'anonymos'; did you mean anonymous?"),
        ("[ceiling.admin]", "ceiling: there is no tier 'admin'; there is anonymous, url, token, vouched"),
        ("ceiling = {url = 1}", "ceiling.url: is not a table"),
        ("[ceiling.url]\nscope = []", "ceiling.url: scope: there is no such key; did you mean scopes?"),
        ("[ceiling.url]\nscopes = ['a b']", "ceiling.url: scopes: a b is not one word"),
        (
            "[ceiling.url]\ngrants = ['code']",
            "ceiling.url: grants: there is no value 'code'; there is authorization_code, refresh_token, client_credentials",
        ),
        ("[ceiling.url]\nredirect_hosts = ['*.com']", "ceiling.url: redirect_hosts: *.com needs a domain of two labels or more behind *."),
        ("[ceiling.url]\nredirect_schemes = ['https:']", "ceiling.url: redirect_schemes: https: is no scheme in lower case"),
        ("[ceiling.url]\nsecret_lifetime = 0", "ceiling.url: secret_lifetime: is no number of seconds from 1 to a century"),
        ("[ceiling.url]\nrefresh_lifetime = true", "ceiling.url: refresh_lifetime: is no number of seconds from 1 to a century"),
        ("[ceiling.url]\nclients = 0", "ceiling.url: clients: is no number from 1 to 1000000000"),
        ("[ceiling.url]\nclients = true", "ceiling.url: clients: is no number from 1 to 1000000000"),
        ("[ceiling.url]\nconsent = 'never'", "ceiling.url: consent: there is no word 'never'; there is remembered, always"),
        ("[ceiling.url]\nrefresh_lifetime = '1'", "ceiling.url: refresh_lifetime: is no number of seconds from 1 to a century"),
        (
            "[ceiling.url]\nscopes = ['register']",
            "ceiling.url: scopes: register opens registration to others, and never comes to strangers",
        ),
        ("software = 1", "software: is not written as [[software]]"),
        ("[[software]]\nredirect_hosts = ['a.b']", "software 1: id: is missing"),
        ("[[software]]\nid = 'x'", "software 1 (x): redirect_hosts, client_uri_hosts, single_instance: one of them must say something"),
        ("[[software]]\nid = 'x'\nsingle_instance = 1", "software 1 (x): single_instance: is not true or false"),
        (
            "[[software]]\nid = 'x'\nredirect_host = ['a.b']",
            "software 1 (x): redirect_host: there is no such key; did you mean redirect_hosts?",
        ),
        (
            "[[software]]\nid = 'x'\nredirect_hosts = ['a.b']\nthen = 'allow'",
            "software 1 (x): then: there is no outcome 'allow'; there is refuse, hold",
        ),
        ("rule = [1]", "rule 1: is not a table"),
        ("[[rule]]\nthen = 'refuse'", "rule 1: name: is missing"),
        (f"{RULE}then = 'hold'\n{RULE}then = 'hold'", "rule 2 (r): name: is written twice"),
        (f"{RULE}then = 'hold'\nif = 1", "rule 1 (r): if: there is no such key; there is name, when, unless, then, why"),
        (f"{RULE}then = 'refused'", "rule 1 (r): then: there is no outcome 'refused'; did you mean refuse?"),
        (RULE, "rule 1 (r): then: is not a table"),
        (f"{RULE}then = {{}}", "rule 1 (r): then: must be allow, refuse, hold, or a table with narrow or require"),
        (f"{RULE}then = {{widen = {{scope = ['a']}}}}", "rule 1 (r): then: there is no outcome 'widen'; there is narrow, require"),
        (f"{RULE}then = {{narrow = {{}}}}", "rule 1 (r): then: narrow: names no member"),
        (
            f"{RULE}then = {{narrow = {{jwks = ['a']}}}}",
            "rule 1 (r): then: narrow: jwks: there is no member for narrow 'jwks'; there is grant_types, response_types, scope",
        ),
        (
            f"{RULE}then = {{require = {{client_nam = ['a']}}}}",
            "rule 1 (r): then: require: client_nam: there is no member for require 'client_nam'; did you mean client_name?",
        ),
        (
            f"{RULE}then = {{require = {{application_type = ['nativ']}}}}",
            "rule 1 (r): then: require: application_type: there is no value 'nativ'; did you mean native?",
        ),
        (f"{RULE}then = 'hold'\nwhen = 1", "rule 1 (r): when: is not a table"),
        (
            f"{RULE}then = 'hold'\nwhen = {{redirect_hosts = ['a.b']}}",
            "rule 1 (r): when: there is no condition 'redirect_hosts'; did you mean redirect_host?",
        ),
        (f"{RULE}then = 'hold'\nwhen = {{tier = ['anon']}}", "rule 1 (r): when: tier: there is no value 'anon'; did you mean anonymous?"),
        (f"{RULE}then = 'hold'\nwhen = {{tier = []}}", "rule 1 (r): when: tier: is empty"),
        (f"{RULE}then = 'hold'\nwhen = {{tier = ''}}", "rule 1 (r): when: tier: is not a list of texts"),
        (f"{RULE}then = 'hold'\nwhen = {{redirect_host = ['A.b']}}", "rule 1 (r): when: redirect_host: A.b must be in lower case"),
        (
            f"{RULE}then = 'hold'\nwhen = {{preset = ['cursor']}}",
            "rule 1 (r): when: preset: there is no value 'cursor'; there is nothing, because use and [preset.NAME] name none",
        ),
        (f"{RULE}then = 'hold'\nunless = {{}}", "rule 1 (r): unless: says nothing; leave it out"),
        (f"{RULE}then = 'hold'\nwhy = 'pas de th\u00e9'", f"rule 1 (r): why: {LINE}"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(BadPolicy) as bad:
        policy(text, reserved=("register",))

    assert str(bad.value) == problem


def test_those_who_were_invited_may_be_given_a_scope_that_lets_others_in() -> None:
    assert policy("[ceiling.token]\nscopes = ['register']", reserved=("register",)).ceilings[Tier.TOKEN].scopes == ("register",)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["use", "preset", "ceiling", "software", "rule", "version"]), ANYTHING))
def test_whatever_is_written_is_a_policy_or_a_mistake_with_a_name(written: dict[str, object]) -> None:
    try:
        found = policy_of({"version": 1, "name": "x", **written}, "d")
    except BadPolicy as bad:
        problem = str(bad)
    else:
        problem = ""
        assert isinstance(found, Policy)
    assert not problem or ": " in problem
