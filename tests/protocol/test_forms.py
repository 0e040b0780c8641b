"""From the parameters of a form to a card: every spelling, every list, and what disagrees (Simple Registration draft 02 §3.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.card.forms import PARAMETERS, app, card
from calling_card.protocol.card.vocabulary import MEMBERS
from calling_card.protocol.clients import JSON, Card
from calling_card.protocol.errors import No, Refusal
from tests.ledger import meets

CB, CB2 = "https://rp.example.com/callback", "https://rp.example.com/cb2"
OOB = "urn:ietf:wg:oauth:2.0:oob"


def said(**form: str) -> Card:
    """The card of these parameters; ``__`` stands for ``#``."""
    return card({name.replace("__", "#"): text for name, text in form.items()}, unknown_refused=False)


# ── The form of 2011 ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("S2-10", "S2-12", "S2-13", "S2-14", "S2-15", "S2-17", "S2-18")
def test_every_parameter_of_the_draft_has_its_member() -> None:
    form = {
        "type": "client_associate",
        "contact": "a@example.com, b@example.com",
        "application_type": "native",
        "application_name": "Old RP",
        "logo_url": "https://rp.example.com/logo.png",
        "redirect_url": f"{CB},{CB2}",
        "js_origin_url": "https://rp.example.com,https://rp.example.com:8443",
        "jwk_url": "https://rp.example.com/keys",
    }

    assert card(form, unknown_refused=True) == {
        "contacts": ["a@example.com", "b@example.com"],
        "application_type": "native",
        "client_name": "Old RP",
        "logo_uri": "https://rp.example.com/logo.png",
        "redirect_uris": [CB, CB2],
        "js_origins": ["https://rp.example.com", "https://rp.example.com:8443"],
        "jwks_uri": "https://rp.example.com/keys",
    }


@meets("C-18", "S2-13", "S2-15", "S2-19")
@pytest.mark.parametrize(
    "form, member, value",
    [
        ({"redirect_uri": CB}, "redirect_uris", [CB]),
        ({"redirect_uri": f"{CB},{CB2}"}, "redirect_uris", [CB, CB2]),
        ({"redirect_uris": f"{CB} {CB2}"}, "redirect_uris", [CB, CB2]),
        ({"redirect_uris": f"{CB},x"}, "redirect_uris", [f"{CB},x"]),
        ({"contacts": "a@example.com  b@example.com"}, "contacts", ["a@example.com", "b@example.com"]),
        ({"client_name": "Tea, Coffee"}, "client_name", "Tea, Coffee"),
        ({"application_name#ja": "茶"}, "client_name#ja", "茶"),
        ({"logo_url#fr-CA": CB}, "logo_uri#fr-CA", CB),
    ],
)
def test_the_sample_and_the_later_drafts_spell_it_otherwise(form: dict[str, str], member: str, value: JSON) -> None:
    assert card(form, unknown_refused=True) == {member: value}


@meets("S2-16")
def test_a_list_is_split_at_literal_commas_and_an_encoded_one_stays_in_its_url() -> None:
    assert said(redirect_url=" https://a.example/x%2Cy ,, https://b.example/ ,") == {
        "redirect_uris": ["https://a.example/x%2Cy", "https://b.example/"]
    }


@meets("C-18")
@pytest.mark.parametrize(
    "form",
    [
        {"redirect_url": f"{CB},{CB2}", "redirect_uri": f"{CB2}, {CB}"},
        {"redirect_uri": f"{CB2},{CB},{CB}", "redirect_uris": f"{CB} {CB2}"},
        {"application_name": "Old RP", "client_name": "Old RP"},
        {"application_name__ja": "茶", "client_name__ja": "茶", "client_name__fr": "thé"},
        {"contact": "a@example.com,b@example.com", "contacts": "b@example.com a@example.com"},
    ],
)
def test_two_spellings_that_say_the_same_are_one(form: dict[str, str]) -> None:
    first = dict(list(form.items())[:1])

    assert said(**first).items() <= said(**form).items()


@meets("C-18")
@pytest.mark.parametrize(
    "form, named",
    [
        ({"redirect_url": CB, "redirect_uri": CB2}, "redirect_uri"),
        ({"redirect_uri": CB, "redirect_url": f"{CB},{CB2}"}, "redirect_url"),
        ({"redirect_url": CB, "redirect_uri": CB, "redirect_uris": CB2}, "redirect_uris"),
        ({"application_name": "Old RP", "client_name": "New RP"}, "client_name"),
        ({"application_name__ja": "茶", "client_name__ja": "紅茶"}, "client_name#ja"),
        ({"redirect_url": ",", "redirect_uri": CB}, "redirect_uri"),
    ],
)
def test_two_spellings_that_disagree_are_refused(form: dict[str, str], named: str) -> None:
    with pytest.raises(Refusal) as refused:
        said(**form)

    text = f"{named}: another spelling of it says something else; send one of them (Simple Registration draft 02 section 3.1)"
    assert (refused.value.no, refused.value.description) == (No.INVALID_REQUEST, text)


def test_what_is_not_a_parameter_is_ignored_and_a_member_of_today_is_none() -> None:
    assert said(type="client_update", client_id="c", client_secret="s", grant_types="implicit", jwks="{}", nonsense="1") == {}


@pytest.mark.parametrize("name", ["nonsense", "grant_types", "type#ja"])
def test_what_is_not_a_parameter_is_refused_where_unknown_members_are(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        card({"type": "client_associate", "client_id": "c", "client_secret": "s", name: "x"}, unknown_refused=True)

    text = f"{name}: is not a parameter this server knows (Simple Registration draft 02 section 3.1)"
    assert (refused.value.no, refused.value.description) == (No.INVALID_CLIENT_METADATA, text)


def test_no_spelling_leads_to_a_member_that_is_not_there() -> None:
    assert {parameter.member for parameter in PARAMETERS.values()} <= MEMBERS.keys()


TEXT = st.text(max_size=40) | st.sampled_from([CB, f"{CB},{CB2}", "a@example.com", ""])
NAMES = st.sampled_from([*PARAMETERS, *(f"{name}#ja" for name in PARAMETERS), "type", "client_id"]) | st.text(max_size=10)


def heard(form: dict[str, str], *, unknown_refused: bool) -> Card | Refusal:
    """The card, or why there is none."""
    try:
        return card(form, unknown_refused=unknown_refused)
    except Refusal as refusal:
        return refusal


@given(form=st.dictionaries(NAMES, TEXT, max_size=8), unknown_refused=st.booleans())
def test_any_form_becomes_a_card_of_texts_and_lists_of_them_or_is_refused(form: dict[str, str], unknown_refused: bool) -> None:
    made = heard(form, unknown_refused=unknown_refused)

    if isinstance(made, Refusal):
        assert made.no in (No.INVALID_REQUEST, No.INVALID_CLIENT_METADATA)
        assert made.description.isascii()
        return
    assert {name.partition("#")[0] for name in made} <= MEMBERS.keys()
    for value in made.values():
        assert isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) and part.strip() == part for part in value))


# ── An application of Mastodon ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("redirects", [f"{CB}\n{CB2}", f"{CB}\r\n{CB2}\n", f" {CB} {CB2}", [CB, CB2]])
def test_an_application_says_its_redirects_line_by_line_or_as_a_list(redirects: JSON) -> None:
    told = app({"client_name": "Tusk", "redirect_uris": redirects, "scopes": "read write", "website": "https://tusk.example"})

    assert told == {
        "client_name": "Tusk",
        "redirect_uris": [CB, CB2],
        "scope": "read write",
        "client_uri": "https://tusk.example",
    }


def test_what_an_application_leaves_out_or_says_as_null_is_not_said() -> None:
    assert app({"client_name": "Tusk", "website": None, "vapid": 1}) == {"client_name": "Tusk"}


@pytest.mark.parametrize(
    "redirects, native",
    [
        ("com.example.tusk:/cb", True),
        ("com.example.tusk:/cb\nhttp://127.0.0.1/cb", True),
        (f"com.example.tusk:/cb\n{CB}", False),
        (CB, False),
        ([], False),
        ([7], False),
    ],
)
def test_an_application_whose_redirects_all_stay_on_the_device_is_a_native_one(redirects: JSON, native: bool) -> None:
    told = app({"client_name": "Tusk", "redirect_uris": redirects})

    assert (told.get("application_type") == "native") is native


@pytest.mark.parametrize("name", [{}, {"client_name": None}, {"client_name": ""}])
def test_an_application_needs_a_name(name: Card) -> None:
    with pytest.raises(Refusal) as refused:
        app({"redirect_uris": CB, **name})

    text = "client_name: an application needs a name (Mastodon API, apps)"
    assert (refused.value.no, refused.value.description) == (No.INVALID_CLIENT_METADATA, text)


@pytest.mark.parametrize("redirects", [OOB, f"{CB}\n{OOB}", [OOB]])
def test_codes_are_not_shown_to_people_to_be_copied(redirects: JSON) -> None:
    with pytest.raises(Refusal) as refused:
        app({"client_name": "Tusk", "redirect_uris": redirects})

    assert refused.value.no is No.INVALID_REDIRECT_URI
    assert refused.value.description == (
        "redirect_uris: urn:ietf:wg:oauth:2.0:oob is not served: a person who copies codes is easily deceived; "
        "register a loopback address or a scheme of your own (RFC 8252 section 7)"
    )
