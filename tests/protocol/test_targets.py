"""For whom a token may be, and what its resource server makes of it (RFC 8707 §2, H-05, H-26)."""

import pytest

from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.persons.resources import LONGEST, MOST, Place, Resource, Target, acceptable, target
from tests.ledger import meets
from tests.protocol.macs import ISSUER, NOW

HERE = Place(ISSUER, ISSUER + "/userinfo")
ORDERS = Resource("https://orders.example", b"o" * 16, "r1", "jwt", "orders:read orders:write", NOW)
NOTES = Resource("https://notes.example", b"n" * 16, "r2", "opaque", "notes", NOW)
ANY = Resource("https://any.example", b"a" * 16, "r3", "jwt", "", NOW)
KNOWN = (ORDERS, NOTES, ANY)


def refused(*asked: str, configured: tuple[Resource, ...] = (), person: bool = True) -> str:
    """Why these are no resources."""
    with pytest.raises(Refusal) as caught:
        acceptable(asked, configured, HERE, person=person)
    assert caught.value.no is No.INVALID_TARGET
    return caught.value.description


@meets("A-30", "H-05")
def test_while_none_is_configured_any_https_uri_is_taken_as_it_was_sent() -> None:
    assert acceptable(["https://API.example/", "https://b.example/x"], (), HERE, person=True) == {
        "https://api.example": "https://API.example/",
        "https://b.example/x": "https://b.example/x",
    }
    assert acceptable([], KNOWN, HERE, person=True) == {}


@meets("A-30", "H-05")
def test_once_some_are_configured_only_those_are_taken_however_they_are_spelled() -> None:
    assert acceptable(["HTTPS://Orders.example/"], KNOWN, HERE, person=True) == {"https://orders.example": "HTTPS://Orders.example/"}
    assert refused("https://other.example", configured=KNOWN) == "resource: https://other.example is not known here (RFC 8707 section 2)"
    assert refused("https://orders.example/x", configured=KNOWN)


@meets("H-05")
def test_our_own_origin_is_a_resource_as_userinfo_for_people_only() -> None:
    for configured in ((), KNOWN):
        assert acceptable([HERE.userinfo], configured, HERE, person=True) == {HERE.userinfo: HERE.userinfo}
        for uri in (ISSUER, ISSUER + "/register", HERE.userinfo + "/", "https://AS.example:443/userinfo"):
            assert "this server itself" in refused(uri, configured=configured)
        assert "this server itself" in refused(HERE.userinfo, configured=configured, person=False)


def test_resources_without_end_are_refused() -> None:
    many = [f"https://a{n}.example" for n in range(MOST + 1)]

    assert len(acceptable(many[:MOST], (), HERE, person=True)) == MOST
    assert refused(*many).startswith("resource: at most")
    assert refused("https://a.example/" + "x" * LONGEST).startswith("resource: at most")


def given(scope: str, *asked: str, configured: tuple[Resource, ...] = KNOWN, person: bool = True) -> Target:
    """What a token for these would be."""
    return target(acceptable(asked, configured, HERE, person=person), scope, configured, HERE, person=person)


@meets("H-26")
@pytest.mark.parametrize(
    "scope, asked, made",
    [
        ("openid", ["https://api.example"], Target(("https://api.example",), "jwt", "openid")),
        ("openid", [HERE.userinfo], Target((HERE.userinfo,), "opaque", "openid")),
        ("openid", [HERE.userinfo, "https://b.example"], Target((HERE.userinfo, "https://b.example"), "jwt", "openid")),
        ("openid", [], Target((HERE.userinfo,), "opaque", "openid")),
    ],
)
def test_an_unconfigured_resource_gets_a_jwt_and_userinfo_an_opaque_token(scope: str, asked: list[str], made: Target) -> None:
    assert given(scope, *asked, configured=()) == made


@meets("H-26", "A-100")
@pytest.mark.parametrize(
    "scope, asked, made",
    [
        ("openid orders:read notes", [ORDERS.uri], Target((ORDERS.uri,), "jwt", "orders:read")),
        ("openid orders:read notes", [NOTES.uri], Target((NOTES.uri,), "opaque", "notes")),
        ("openid orders:read notes", [ORDERS.uri, NOTES.uri], Target((ORDERS.uri, NOTES.uri), "opaque", "orders:read notes")),
        ("openid orders:read", [ANY.uri], Target((ANY.uri,), "jwt", "openid orders:read")),
        ("openid orders:read", [HERE.userinfo], Target((HERE.userinfo,), "opaque", "openid")),
        ("openid orders:read", [HERE.userinfo, ORDERS.uri], Target((HERE.userinfo, ORDERS.uri), "jwt", "openid orders:read")),
        ("orders:read", [], Target((ORDERS.uri,), "jwt", "orders:read")),
        ("openid orders:read", [], Target((ORDERS.uri, HERE.userinfo), "jwt", "openid orders:read")),
        ("notes orders:read", [], Target((ORDERS.uri, NOTES.uri), "opaque", "notes orders:read")),
        ("openid", [], Target((HERE.userinfo,), "opaque", "openid")),
    ],
)
def test_a_configured_resource_says_the_form_and_gets_the_scopes_it_knows(scope: str, asked: list[str], made: Target) -> None:
    assert given(scope, *asked) == made


def test_a_client_in_its_own_name_is_never_for_userinfo_beside_a_resource() -> None:
    assert given("openid orders:read", person=False) == Target((ORDERS.uri,), "jwt", "openid orders:read")


@meets("A-100")
def test_a_resource_that_knows_none_of_the_scopes_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        given("openid", ORDERS.uri)

    assert caught.value.no is No.INVALID_SCOPE
