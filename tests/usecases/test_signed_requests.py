"""Registrations that the software signs itself, around the statement about it (R-76 to R-82)."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calling_card.protocol.abroad.fetching import Why
from tests.assertions import holder
from tests.ledger import meets
from tests.statements import DIRECTORY, SOFTWARE_KEYS, Directory, Software, trusting, written
from tests.world import CALLBACK, ISSUER, World, beside

ISS = "invalid_software_statement"
USS = "unapproved_software_statement"
ICM = "invalid_client_metadata"
SIGNING = written(signed_requests=True, fresh_on_update=True, keep_token=True, locked=("redirect_uris",), audience=("our-name",))


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await trusting(tmp_path, SIGNING, signed_registration=True)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def software(server: World) -> Software:
    return Software(server)


def stated(directory: Directory, **claims: object) -> str:
    return directory.states(**{"redirect_uris": [CALLBACK, "https://app.example/b"], "jwks_uri": SOFTWARE_KEYS, **claims})


@meets("R-76", "R-81", "R-69", "S0-09")
@pytest.mark.parametrize("media", ["application/jwt", "application/jose", "Application/JWT; charset=utf-8"])
async def test_a_signed_request_is_answered_like_any_other(directory: Directory, software: Software, media: str) -> None:
    statement = stated(directory)

    reply = await software.sends(software.signs(statement, scope="email"), media)

    assert (reply.status, reply.headers["content-type"]) == (201, "application/json")
    card = reply.json
    assert (card["client_name"], card["software_statement"], card["jwks_uri"]) == ("Official Tea", statement, SOFTWARE_KEYS)
    assert (card["redirect_uris"], card["scope"]) == ([CALLBACK], "email")
    assert not {*card} & {"iss", "aud", "iat", "exp", "jti"}


@meets("R-76")
async def test_the_keys_may_be_in_the_statement_itself(directory: Directory, software: Software) -> None:
    statement = stated(directory, jwks_uri=None, jwks=software.key.jwks)

    assert (await software.sends(software.signs(statement))).status == 201


@meets("R-77", "X-44", "X-59")
@pytest.mark.parametrize(
    "claims, why",
    [
        ({"iss": "tea-2"}, "iss: is not the software_id"),
        ({"iss": None}, "iss: is not the software_id"),
        ({"aud": "https://other.example"}, "aud: names none of"),
        ({"aud": None}, "aud: names none of"),
        ({"iat": None}, "iat, exp: must be there"),
        ({"iat": "now"}, "iat, exp: must be there"),
        ({"exp": None}, "iat, exp: must be there"),
        ({"exp": 1_800_000_000 - 60}, "exp: is over"),
        ({"exp": 1_800_000_000 + 86401}, "exp: is more than a day ahead"),
        ({"iat": 1_800_000_000 + 61}, "iat: is in the future"),
        ({"jti": None}, "jti: is missing"),
        ({"jti": 5}, "jti: is missing"),
    ],
)
async def test_what_a_signed_request_must_say(
    server: World, directory: Directory, software: Software, claims: dict[str, object], why: str
) -> None:
    reply = await software.sends(software.signs(stated(directory), **claims))

    assert reply.no == (400, ICM)
    assert reply.why.startswith(f"the signed request: {why}")
    assert list(await server.ports.store.clients("", 10)) == []


@meets("R-77")
@pytest.mark.parametrize("audience", [ISSUER, ["x", ISSUER], "our-name"])
async def test_a_signed_request_is_for_us(directory: Directory, software: Software, audience: object) -> None:
    assert (await software.sends(software.signs(stated(directory), aud=audience))).status == 201


SPOILED: list[Callable[[Software, dict[str, object]], str]] = [
    lambda software, claims: software.key.signs(claims, alg="none"),
    lambda software, claims: software.key.signs(claims, alg="HS256"),
    lambda software, claims: software.key.signs(claims, kid=None),
    lambda software, claims: software.key.signs(claims, kid="other"),
    lambda software, claims: software.key.signs(claims, kid=""),
    lambda software, claims: software.key.signs(claims, kid=7),
    lambda software, claims: software.key.signs(claims, typ="at+jwt"),
    lambda software, claims: software.key.signs(claims, typ="client-authentication+jwt"),
    lambda software, claims: software.key.signs(claims, crit=["exp"]),
    lambda software, claims: software.key.signs(claims, b64=False),
    lambda software, claims: software.key.signs(claims, zip="DEF"),
    lambda software, claims: holder("ES256", "s1", 99).signs(claims),
    lambda software, claims: holder("ES256", "s1", 99).signs(claims, jwk=holder("ES256", "s1", 99).jwk, jku="https://evil.example/k"),
    lambda software, claims: software.key.signs(claims)[:-4] + "AAAA",
    lambda software, claims: software.key.signs(claims) + ".",
    lambda software, claims: "é" + software.key.signs(claims),
    lambda software, claims: json.dumps(claims),
    lambda software, claims: "",
]


@meets("R-77", "X-40", "X-42", "X-68")
@pytest.mark.parametrize("spoil", SPOILED)
async def test_a_request_that_the_software_did_not_sign_is_refused(
    server: World, directory: Directory, software: Software, spoil: Callable[[Software, dict[str, object]], str]
) -> None:
    reply = await software.sends(spoil(software, software.claims(stated(directory))))

    assert reply.no == (400, ICM)
    assert reply.why.startswith("the signed request: ")
    assert set(server.strangers.asked) <= {SOFTWARE_KEYS}


@meets("R-77", "R-60", "R-62", "R-71")
async def test_the_statement_inside_is_judged_as_a_statement(server: World, directory: Directory, software: Software) -> None:
    other = Directory("https://else.example")

    assert (await software.sends(software.signs(None))).no == (400, ISS)
    assert (await software.sends(software.signs("garbage"))).no == (400, ISS)
    assert (await software.sends(software.signs(stated(other)))).no == (400, USS)
    assert (await software.sends(software.signs(stated(directory, jwks_uri=None)))).no == (400, ICM)
    assert (await software.sends(software.signs(stated(directory, software_id=None)))).no == (400, ICM)
    server.strangers.fail(SOFTWARE_KEYS, Why.SLOW)
    server.strangers.forget(SOFTWARE_KEYS)
    assert (await software.sends(software.signs(stated(directory)))).no == (503, "temporarily_unavailable")


@meets("R-76", "R-19")
async def test_members_that_never_belong_into_a_registration_are_refused_in_a_signed_one_too(
    directory: Directory, software: Software
) -> None:
    reply = await software.sends(software.signs(stated(directory), client_id="mine"))

    assert reply.no == (400, "invalid_request")


@meets("R-78")
async def test_redirects_outside_the_statement_are_refused(directory: Directory, software: Software) -> None:
    reply = await software.sends(software.signs(stated(directory), redirect_uris=[CALLBACK, "https://evil.example/cb"]))

    assert reply.no == (400, "invalid_redirect_uri")


@meets("R-77", "X-44", "X-89")
async def test_a_signed_request_counts_once_also_at_the_same_moment_on_two_nodes(tmp_path: Path, directory: Directory) -> None:
    here = await trusting(tmp_path, SIGNING, signed_registration=True, sqlite=True)
    there = await beside(here, tmp_path)
    softwares = [Software(here), Software(there)]
    request = softwares[0].signs(stated(directory))

    replies = await asyncio.gather(*(software.sends(request) for _ in range(15) for software in softwares))

    assert sorted(reply.status for reply in replies) == [201, *([400] * 29)]
    assert {reply.why for reply in replies if reply.status == 400} == {"the signed request: jti: was used before (UK Open Banking DCR 3.3)"}
    await here.ports.store.close()
    await there.ports.store.close()


async def test_a_refused_request_is_not_used_up(directory: Directory, software: Software) -> None:
    claims = software.claims(stated(directory), redirect_uris=["https://evil.example/cb"], jti="j1")

    assert (await software.sends(software.key.signs(claims))).status == 400
    assert (await software.sends(software.key.signs({**claims, "redirect_uris": [CALLBACK]}))).status == 201


@meets("R-80", "M-22")
async def test_a_replacement_is_signed_with_a_fresh_statement_and_keeps_the_token(
    server: World, directory: Directory, software: Software
) -> None:
    card = (await software.sends(software.signs(stated(directory)))).json
    fresh = stated(directory, client_name="Official Tea & Cake")

    reply = await software.puts(card, software.signs(fresh, client_id=card["client_id"]))

    assert reply.status == 200
    assert (reply.json["client_name"], reply.json["software_statement"]) == ("Official Tea & Cake", fresh)
    assert reply.json["registration_access_token"] == card["registration_access_token"]
    for statement, why in (
        (None, "is missing; a replacement needs a new one"),
        (fresh, "a replacement needs a new one, not the one of before"),
        ("garbage", "it is no signed compact JWS"),
        (stated(directory, software_id="tea-2"), ""),
    ):
        refused = await software.puts(card, software.signs(statement, client_id=card["client_id"]))
        assert refused.no in ((400, ISS), (400, ICM))
        assert why in refused.why
    assert (await server.read(card)).json["software_statement"] == fresh


@meets("R-80")
async def test_a_plain_replacement_needs_a_fresh_statement_too_where_the_issuer_says_so(
    server: World, directory: Directory, software: Software
) -> None:
    card = (await software.sends(software.signs(stated(directory)))).json

    assert (await server.replace(card)).no == (400, ISS)
    assert (await server.replace(card, "software_statement")).no == (400, ISS)
    assert (await server.replace(card, software_statement=stated(directory))).status == 200


@meets("R-80", "X-35")
async def test_a_signed_replacement_does_not_raise_a_plain_registration(server: World, directory: Directory, software: Software) -> None:
    card = await server.register()

    assert (await software.puts(card, software.signs(stated(directory), client_id=card["client_id"]))).no == (400, USS)
    assert (await software.puts(card, "garbage")).no == (400, ICM)


@meets("R-82")
async def test_without_the_switch_signed_bodies_are_no_type_that_is_taken(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, SIGNING)
    software = Software(server)
    card = await server.register()

    assert (await software.sends(software.signs(stated(directory)))).no == (415, "invalid_request")
    assert (await software.puts(card, software.signs(stated(directory)))).no == (415, "invalid_request")


@meets("R-82")
async def test_the_switch_changes_nothing_for_plain_json(server: World, directory: Directory) -> None:
    plain = await server.register(client_name="Plain")
    vouched = await server.register(software_statement=stated(directory))
    replaced = await server.replaced(plain, client_name="Plainer")

    assert (plain["client_name"], replaced["client_name"], vouched["client_name"]) == ("Plain", "Plainer", "Official Tea")
    assert replaced["registration_access_token"] != plain["registration_access_token"]


@meets("R-76")
async def test_an_issuer_without_signed_requests_wants_plain_ones(tmp_path: Path, directory: Directory) -> None:
    server = await trusting(tmp_path, written(), signed_registration=True)
    software = Software(server)

    reply = await software.sends(software.signs(stated(directory)))

    assert reply.no == (400, ICM)
    assert "requests with statements of this issuer are plain JSON" in reply.why
    assert DIRECTORY not in reply.why


@meets("R-76")
@pytest.mark.parametrize("legacy", [True, False])
async def test_forms_and_signed_requests_are_switched_apart(tmp_path: Path, directory: Directory, legacy: bool) -> None:
    server = await trusting(tmp_path, SIGNING, signed_registration=True, legacy_registration=legacy)
    software = Software(server)

    form: Any = await server.post_form("/register", {"type": "client_associate", "redirect_url": CALLBACK})

    assert (await software.sends(software.signs(stated(directory)))).status == 201
    assert form.status == (200 if legacy else 415)
