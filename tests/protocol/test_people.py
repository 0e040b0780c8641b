"""People: who they are to clients, and which claims a scope releases (OIDC Core §2, §5.3.2, §5.4)."""

import pytest

from calling_card.protocol import base64url
from calling_card.protocol.clients import JSON
from calling_card.protocol.persons.people import CLAIMS, LONGEST_NAME, NAME, Person, Role, claims_for
from tests.ledger import meets


def person(**claims: JSON) -> Person:
    return Person(bytes(range(16)), "alice", Role.NONE, "", claims)


@meets("H-29")
def test_the_subject_is_the_random_identifier_as_text() -> None:
    assert person().subject == base64url.encode(bytes(range(16))) == "AAECAwQFBgcICQoLDA0ODw"
    assert len(person().subject) == 22


@pytest.mark.parametrize("claim, shown", [("Alice Example", "Alice Example"), ("", "alice"), (None, "alice"), (7, "alice")])
def test_a_person_is_greeted_by_their_name_or_else_by_what_they_type(claim: JSON, shown: str) -> None:
    assert person(name=claim).shown == shown
    assert person().shown == "alice"


@pytest.mark.parametrize("name", ["a", "alice", "Alice.Example", "a_b-c+d@example.com", "0", "x" * LONGEST_NAME])
def test_a_name_is_what_can_be_typed(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "@a", "a b", "a\n", "ä", "a/b", "a\x00", "x" * (LONGEST_NAME + 1), "<b>", "a|b"], ids=ascii
)
def test_everything_else_is_no_name(name: str) -> None:
    assert not NAME.fullmatch(name)


def test_a_scope_releases_its_claims_and_what_is_not_known_is_left_out() -> None:
    known = person(name="Alice", email="alice@example.com", email_verified=False, locale="", picture=None, phone_number="1", roles=["x"])

    assert claims_for(known, "openid") == {"sub": known.subject}
    assert claims_for(known, "openid email") == {"sub": known.subject, "email": "alice@example.com", "email_verified": False}
    assert claims_for(known, "profile") == {"sub": known.subject, "name": "Alice", "preferred_username": "alice"}
    assert claims_for(known, "phone address nope") == {"sub": known.subject, "phone_number": "1"}
    assert claims_for(known, "") == {"sub": known.subject}


def test_a_claim_may_be_another_name_to_be_called_by_but_never_another_subject() -> None:
    renamed = person(preferred_username="al", sub="somebody else")

    assert claims_for(renamed, "openid profile") == {"sub": renamed.subject, "preferred_username": "al"}


@meets("X-82")
@pytest.mark.parametrize("claim", ["roles", "groups", "realm_access", "scope", "client_id", "iss", "aud", "sub"])
def test_no_scope_releases_what_says_what_somebody_may_do(claim: str) -> None:
    assert claim not in {name for names in CLAIMS.values() for name in names}
    assert claims_for(person(**{claim: "admin"}), "openid profile email phone address offline_access") == (
        {"sub": person().subject, "preferred_username": "alice"}
    )
