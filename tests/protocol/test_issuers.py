"""What an operator writes about issuers of statements: taken by its type, or refused with the name of issuer and key."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from calling_card.protocol.trust.issuers import KEYS, PRESETS, BadIssuer, Issuer, issuers_of
from tests.assertions import holder
from tests.ledger import meets

NAME = "https://directory.example"
OWN = "https://as.example"
JWKS: Mapping[str, Any] = holder("ES256", "d1").jwks


def one(**keys: object) -> Issuer:
    return issuers_of([{"issuer": NAME, "jwks": JWKS, **keys}], OWN)[NAME]


def refused(*rows: object) -> str:
    with pytest.raises(BadIssuer) as caught:
        issuers_of(rows, OWN)
    return str(caught.value)


@meets("R-64")
def test_what_is_not_written_has_its_default() -> None:
    made = one()

    assert (made.algs, made.max_age, made.once, made.shown) == (("RS256", "PS256", "ES256"), 0, False, NAME)
    assert one(label="The Directory").shown == "The Directory"


def test_every_key_can_be_written() -> None:
    written: dict[str, object] = {
        "label": "D",
        "algs": ["ES256", "RS256"],
        "audience": ["x"],
        "max_age": 5,
        "once": True,
        "required": ["aud"],
        "allowed": ["client_name"],
        "locked": ["scope"],
        "names": {"software_name": "client_name"},
        "values": {"subject_type": ["public"]},
        "scopes": "openid",
        "grants": ["authorization_code"],
        "hosts": ["a.example"],
        "roles_claim": "roles",
        "roles": {"R": "openid"},
        "certificate": {"O": "org"},
        "signed_requests": True,
        "fresh_on_update": True,
        "keep_token": True,
        "replace_existing": True,
        "recovery": True,
        "instances": 1,
        "revoked": ["s1"],
        "suspended": True,
    }

    made = one(**written)

    assert set(written) | {"issuer", "preset", "jwks", "jwks_uri", "secret"} == set(KEYS)
    for name, value in written.items():
        there: object = getattr(made, name)
        expected = tuple(cast("list[str]", value)) if isinstance(value, list) else value
        assert there == (expected if name != "values" else {"subject_type": ("public",)})


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_what_is_not_written(preset: str) -> None:
    made = one(preset=preset, max_age=77)

    assert (made.algs, made.max_age, made.locked) == (("PS256",), 77, ("redirect_uris", "software_id", "jwks_uri"))
    assert made.issuer == NAME


def test_keys_come_from_one_place() -> None:
    name = {"issuer": NAME}
    several = f"issuer {NAME}: jwks, jwks_uri, secret: exactly one of them is needed"

    assert refused(name) == several
    assert refused({**name, "jwks": JWKS, "jwks_uri": "https://a.example/k"}) == several
    assert "jwks_uri: " in refused({**name, "jwks_uri": "http://a.example/k"})
    assert "jwks: key 0 has the private member" in refused({**name, "jwks": {"keys": [{**JWKS["keys"][0], "d": "AA"}]}})
    assert "secret: is shorter than 32 bytes" in refused({**name, "secret": "short", "algs": ["HS256"]})
    assert issuers_of([{**name, "jwks_uri": "https://a.example/k"}], OWN)[NAME].jwks_uri
    made = issuers_of([{**name, "secret": "s" * 32, "algs": ["HS256"]}], OWN)[NAME]
    assert "ssss" not in repr(made)


@meets("R-64", "X-40")
@pytest.mark.parametrize("algs", [["none"], ["HS256"], ["ES256", "HS512"], ["magic"], []])
def test_algorithms_fit_the_keys(algs: list[str]) -> None:
    assert f"issuer {NAME}: algs: " in refused({"issuer": NAME, "jwks": JWKS, "algs": algs})
    assert "algs: RS256 is not one of HS256" in refused({"issuer": NAME, "secret": "s" * 32})


@pytest.mark.parametrize(
    "keys, why",
    [
        ({"maxage": 5}, "maxage: there is no such key; keys are issuer, label"),
        ({"max_age": "5"}, "max_age: is not a whole number"),
        ({"max_age": True}, "max_age: is not a whole number"),
        ({"max_age": -1}, "max_age: must not be negative"),
        ({"instances": 10**12}, "instances: must not be negative or longer"),
        ({"once": 1}, "once: is not true or false"),
        ({"label": 1}, "label: is not a text"),
        ({"audience": "x"}, "audience: is not a list of texts"),
        ({"audience": [1]}, "audience: is not a list of texts"),
        ({"audience": [""]}, "audience: is not a list of texts"),
        ({"jwks": []}, "jwks: is not a table"),
        ({"names": "x"}, "names: is not a table of texts"),
        ({"names": {"a": 1}}, "names: is not a table of texts"),
        ({"values": {"a": "b"}}, "values: is not a table of lists of texts"),
        ({"values": []}, "values: is not a table of lists of texts"),
        ({"values": {"subject_type": []}}, "values: subject_type has none"),
        ({"locked": ["colour"]}, "locked: colour is not a member"),
        ({"allowed": ["colour"]}, "allowed: colour is not a member"),
        ({"names": {"software_colour": "colour"}}, "names: colour is not a member"),
        ({"roles": {"R": "openid"}}, "roles: needs roles_claim"),
        ({"recovery": True, "once": True, "required": ["aud"]}, "recovery: needs replace_existing or instances = 1"),
        ({"recovery": True, "once": True, "required": ["aud"], "instances": 2}, "recovery: needs replace_existing or instances = 1"),
        ({"recovery": True, "instances": 1}, "recovery: needs certificate, signed_requests, or once with aud among required"),
        ({"recovery": True, "instances": 1, "once": True}, "recovery: needs certificate, signed_requests, or once with aud"),
        ({"recovery": True, "replace_existing": True, "required": ["aud"]}, "recovery: needs certificate, signed_requests, or once"),
        ({"recovery": 1}, "recovery: is not true or false"),
        ({"replace_existing": True}, "replace_existing: needs certificate, signed_requests, or once with aud among required"),
        ({"replace_existing": True, "once": True}, "replace_existing: needs certificate, signed_requests, or once with aud"),
        ({"replace_existing": True, "required": ["aud"]}, "replace_existing: needs certificate, signed_requests, or once"),
        ({"preset": "mars"}, "preset: is none of uk, brazil"),
        ({"preset": 1}, "preset: is none of uk, brazil"),
    ],
)
def test_what_cannot_be_used_is_named(keys: dict[str, object], why: str) -> None:
    assert refused({"issuer": NAME, "jwks": JWKS, **keys}).startswith(f"issuer {NAME}: {why}")


@meets("X-43")
@meets("M-42")
@pytest.mark.parametrize(
    "keys, bearer",
    [
        ({"once": True, "required": ["jti", "aud"], "instances": 1}, True),
        ({"certificate": {"O": "org"}, "replace_existing": True}, True),
        ({"signed_requests": True, "instances": 1}, False),
    ],
)
def test_statements_recover_where_they_prove_who_brings_them(keys: dict[str, object], bearer: bool) -> None:
    made = one(recovery=True, **keys)

    assert (made.recovery, made.proves_bearer) == (True, bearer)


def test_issuers_are_several_others_with_names() -> None:
    good = {"issuer": NAME, "jwks": JWKS}

    assert refused(good, good) == f"issuer {NAME}: is written twice"
    assert refused({**good, "issuer": OWN}) == f"issuer {OWN}: is this server itself"
    assert refused(good, "x") == "statement issuer 2: is not a table"
    assert refused(good, {"jwks": JWKS}) == "statement issuer 2: issuer: is missing"
    assert refused({**good, "issuer": ""}) == "statement issuer 1: issuer: is missing"
