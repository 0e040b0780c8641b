"""What a policy does, in sentences that an operator reads over (A-87)."""

from calling_card.protocol.policy.sentences import sentences
from tests.policies import policy
from tests.protocol.test_policy_written import WHOLE


def test_each_row_is_a_sentence_in_the_order_of_judging() -> None:
    bounds = (
        "anonymous clients may have scopes openid; grant types authorization_code; ways to authenticate none; algorithms ES256; "
        "redirect hosts *.example.com; redirect schemes https, com.example.app; a secret for 3600 seconds; refresh tokens for 7200 "
        "seconds; 1000 registrations in all; no yes that is remembered"
    )
    home = "other redirect hosts than tea.example or other hosts of client_uri than www.tea.example"
    pair = "the set of grant types has authorization_code and client_credentials"
    text = WHOLE.lstrip() + '[[rule]]\nname = "last"\nthen = "hold"\n'

    assert list(sentences(policy(text))) == [
        ("ceiling.anonymous", bounds),
        ("software tea-1", f"holds for approval whoever calls itself tea-1 and has {home} (another tea)"),
        ("rule 1 (friends)", "lets through when every redirect URI is one of the preset claude or ours"),
        ("rule 2 (no pair)", f"refuses when {pair} and the tier is token, unless the owner is olga (one or the other)"),
        (
            "rule 3 (signed)",
            "wants token_endpoint_auth_method to be private_key_jwt and wants require_auth_time to be true of any client",
        ),
        ("rule 4 (less)", "leaves of scope only openid of any client"),
        ("rule 5 (last)", "holds for approval any client"),
    ]


def test_of_a_list_doubt_goes_against_the_client() -> None:
    text = '[[rule]]\nname = "x"\nthen = "refuse"\nwhen = { scope = ["a", "b"] }\nunless = { redirect_host = ["*.a.example"] }\n'

    ((_, sentence),) = sentences(policy(text))

    assert sentence == "refuses when a scope is a or b, unless every redirect host is *.a.example"


def test_a_ceiling_that_says_nothing_or_leaves_nothing_says_so() -> None:
    text = "[ceiling.url]\n[ceiling.token]\nscopes = []\n"

    assert list(sentences(policy(text))) == [
        ("ceiling.url", "url clients may have what they may without it"),
        ("ceiling.token", "token clients may have scopes none"),
    ]


def test_software_that_lives_once_says_so() -> None:
    text = '[[software]]\nid = "tea-1"\nsingle_instance = true\n'

    assert list(sentences(policy(text))) == [("software tea-1", "refuses a second living client of one version of tea-1")]
