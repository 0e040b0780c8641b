"""Language tags: what is well-formed, and which variant of a member a reader gets."""

import pytest

from calling_card.protocol.card.languages import choose, is_tag
from calling_card.protocol.clients import Card
from tests.ledger import meets

GOOD = (
    "de fr ja i-enochian zh-Hant zh-cmn-Hans-CN cmn-Hans-CN zh-yue-HK yue-HK zh-Hans-CN sr-Latn-RS sl-rozaj sl-rozaj-biske sl-nedis "
    "de-CH-1901 sl-IT-nedis hy-Latn-IT-arevela de-DE en-US es-419 de-CH-x-phonebk az-Arab-x-AZE-derbend x-whatever "
    "qaa-Qaaa-QM-x-southern de-Qaaa sr-Latn-QM sr-Qaaa-RS en-US-u-islamcal zh-CN-a-myext-x-private en-a-myext-b-another "
    "ja-Jpan-JP EN-gb-OED I-DEFAULT sgn-BE-FR sgn-CH-DE art-lojban cel-gaulish no-bok no-nyn zh-min-nan zh-xiang zh-guoyu "
    "aaaa aaaaa aaaaaaaa x-1-2-3 de-1996 de-1a2b en-0-aa"
)

BAD = (
    "a ab- -ab ab--cd de_DE a-DE i-unknown i en-x x x- aaaaaaaaa en-abcdefghi en-a ar-a-aaa-b de-419-DE-Latn en-u-a en-US-x "
    "en-Latn-Latn-x- sgn-BE-NLX 12 en-US- ｅｎ en. e1 en-é"
)


@meets("R-50")
@pytest.mark.parametrize("tag", [case(tag) for tag in GOOD.split() for case in (str, str.lower, str.upper)])
def test_a_well_formed_tag_is_one_in_any_case(tag: str) -> None:
    assert is_tag(tag)


@meets("R-50")
@pytest.mark.parametrize("tag", [*BAD.split(), "", " ", "en ", " en", "en\n", "de-" + "-".join(["abcdefgh"] * 20), "en#fr"])
def test_a_malformed_or_endless_tag_is_none(tag: str) -> None:
    assert not is_tag(tag)


TEA: Card = {
    "client_name": "Tea",
    "client_name#de": "Tee",
    "client_name#zh-Hant": "茶",
    "client_name#JA-jp": "お茶",
    "client_uri#fr": "https://f",
}


@meets("R-51", "R-53")
@pytest.mark.parametrize(
    "wanted, shown",
    [
        (["de"], "Tee"),
        (["DE-at"], "Tee"),
        (["de-CH-1901"], "Tee"),
        (["fr", "zh-hant-TW"], "茶"),
        (["ja-JP"], "お茶"),
        (["ja"], "Tea"),
        (["zh-Hant-x-private"], "茶"),
        (["de-x-a-b"], "Tee"),
        (["*", "de"], "Tee"),
        (["*-CH"], "Tea"),
        (["fr"], "Tea"),
        ([""], "Tea"),
        ([], "Tea"),
    ],
)
def test_the_best_variant_wins_then_the_one_without_a_tag(wanted: list[str], shown: str) -> None:
    assert choose(TEA, "client_name", wanted) == shown


@meets("R-52", "R-53")
def test_without_an_untagged_value_the_first_variant_is_shown_and_then_nothing() -> None:
    assert choose({"client_name#fr": "Thé", "client_name#de": "Tee"}, "client_name", ["it"]) == "Thé"
    assert choose({"client_uri": "https://a.example"}, "client_name", ["it"]) is None


def test_an_untagged_value_is_not_taken_for_a_language() -> None:
    assert choose({"client_name": "Tea", "client_name#fr": "Thé"}, "client_name", ["en", "fr"]) == "Thé"
