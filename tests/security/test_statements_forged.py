"""Statements tampered with, made for something else or spelled in another way vouch for nobody (X-40 to X-43)."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.assertions import claims as assertion_claims
from tests.assertions import encoded, holder, jws, part, respelled, spoiled, with_secret
from tests.ledger import meets
from tests.statements import DIRECTORY, Directory, trusting, written
from tests.usecases.guests import by_its_clock
from tests.world import CALLBACK, ISSUER, START, World

ISS = "invalid_software_statement"
USS = "unapproved_software_statement"
GOOD: Mapping[str, object] = {"iss": DIRECTORY, "iat": START, "jti": "j", "software_id": "tea-1", "client_name": "Official Tea"}
DIRECTORYS = holder("ES256", "d1", 7)
OTHER = holder("ES256", "d1", 99)


def signed(header: object = None, claims: object = None) -> str:
    """With the directory's own key, whatever is said."""
    head = {"alg": "ES256", "typ": "JWT", "kid": "d1"} if header is None else header
    return jws(head, GOOD if claims is None else claims, DIRECTORYS.signature)


def header(**members: object) -> str:
    return DIRECTORYS.signs(GOOD, **members)


def said(**claims: object) -> str:
    return DIRECTORYS.signs({name: value for name, value in {**GOOD, **claims}.items() if value is not None})


def good() -> str:
    return DIRECTORYS.signs(GOOD)


FORGED: dict[str, Callable[[], object]] = {
    "alg none": lambda: header(alg="none"),
    "alg None": lambda: header(alg="None"),
    "alg nOnE without a signature": lambda: jws({"alg": "nOnE"}, GOOD, lambda _: b""),
    "alg none without a signature": lambda: jws({"alg": "none"}, GOOD, lambda _: b""),
    "no alg": lambda: header(alg=None),
    "alg a number": lambda: header(alg=1),
    "alg a list": lambda: header(alg=["ES256"]),
    "alg in lower case": lambda: header(alg="es256"),
    "alg HS256 with the public key": lambda: with_secret(DIRECTORYS.pem.decode()).signs(GOOD, kid="d1"),
    "alg HS256 with the JWK": lambda: with_secret(json.dumps(DIRECTORYS.jwk)).signs(GOOD, kid="d1"),
    "alg HS256 with nothing": lambda: with_secret("").signs(GOOD, kid="d1"),
    "alg RS256 over an EC key": lambda: header(alg="RS256"),
    "alg ES384 over a P-256 key": lambda: header(alg="ES384"),
    "alg EdDSA over a P-256 key": lambda: header(alg="EdDSA"),
    "alg PS256 by somebody's RSA key": lambda: holder("PS256", "d1").signs(GOOD),
    "another key of that name": lambda: OTHER.signs(GOOD),
    "another key with its jwk": lambda: OTHER.signs(GOOD, jwk=OTHER.jwk),
    "another key with its jku": lambda: OTHER.signs(GOOD, jku="https://evil.example/keys"),
    "another key with x5u": lambda: OTHER.signs(GOOD, x5u="https://evil.example/chain"),
    "another key with x5c": lambda: OTHER.signs(GOOD, x5c=["MIIB"]),
    "kid unknown": lambda: header(kid="d2"),
    "kid empty": lambda: header(kid=""),
    "kid a number": lambda: header(kid=1),
    "kid a list": lambda: header(kid=["d1"]),
    "kid a path": lambda: header(kid="../../../../dev/null"),
    "kid SQL": lambda: header(kid="' OR 1=1 --"),
    "kid a URL": lambda: header(kid="https://evil.example/key"),
    "kid too long": lambda: header(kid="d" * 300),
    "crit": lambda: header(crit=["exp"], exp=1),
    "crit empty": lambda: header(crit=[]),
    "b64 false": lambda: header(b64=False),
    "zip": lambda: header(zip="DEF"),
    "enc": lambda: header(enc="A128GCM"),
    "typ an access token": lambda: header(typ="at+jwt"),
    "typ a logout token": lambda: header(typ="logout+jwt"),
    "typ an assertion": lambda: header(typ="client-authentication+jwt"),
    "typ a DPoP proof": lambda: header(typ="dpop+jwt"),
    "typ an entity statement": lambda: header(typ="application/entity-statement+jwt"),
    "typ a list": lambda: header(typ=["JWT"]),
    "header twice the same name": lambda: signed(b'{"alg":"ES256","alg":"none","kid":"d1"}'),
    "header a list": lambda: signed(["ES256"]),
    "header no JSON": lambda: signed(b"{alg:ES256}"),
    "header with a byte order mark": lambda: signed(b'\xef\xbb\xbf{"alg":"ES256"}'),
    "claims twice the same name": lambda: signed(None, b'{"iss":"https://directory.example","iss":"https://else.example"}'),
    "claims a list": lambda: signed(None, [GOOD]),
    "claims a text": lambda: signed(None, "claims"),
    "claims no JSON": lambda: signed(None, b"{"),
    "claims not UTF-8": lambda: signed(None, b'{"iss":"\xff"}'),
    "claims with half a surrogate": lambda: signed(None, b'{"iss":"\\ud800"}'),
    "claims nested too deep": lambda: signed(None, b'{"a":' * 12 + b"1" + b"}" * 12),
    "claims with NaN": lambda: signed(None, b'{"iss":"https://directory.example","iat":NaN}'),
    "iss missing": lambda: said(iss=None),
    "iss empty": lambda: said(iss=""),
    "iss a list": lambda: said(iss=[DIRECTORY]),
    "exp over": lambda: said(exp=START - 61),
    "exp a text": lambda: said(exp=str(START + 60)),
    "exp true": lambda: said(exp=True),
    "nbf ahead": lambda: said(nbf=START + 61),
    "nbf a text": lambda: said(nbf="0"),
    "iat ahead": lambda: said(iat=START + 61),
    "iat a text": lambda: said(iat="0"),
    "iat missing": lambda: said(iat=None),
    "iat too old": lambda: said(iat=START - 400),
    "aud another server": lambda: said(aud="https://other.example"),
    "aud almost us": lambda: said(aud=ISSUER + "/"),
    "aud us with a suffix": lambda: said(aud=ISSUER + ".evil.example"),
    "aud others": lambda: said(aud=["https://other.example", "https://third.example"]),
    "aud an object": lambda: said(aud={"a": ISSUER}),
    "aud empty": lambda: said(aud=""),
    "jti a number": lambda: said(jti=1),
    "jti empty": lambda: said(jti=""),
    "jti too long": lambda: said(jti="j" * 256),
    "software_id a number": lambda: said(software_id=1),
    "software_id too long": lambda: said(software_id="s" * 256),
    "claims of another statement under this signature": lambda: spoiled(good(), 1, lambda _: part({**GOOD, "client_name": "Evil"})),
    "header of another statement over this signature": lambda: spoiled(good(), 0, lambda _: part({"alg": "ES256", "kid": "d1", "x": 1})),
    "signature cut": lambda: good()[:-6],
    "signature longer": lambda: good() + "AA",
    "signature in another spelling": lambda: spoiled(good(), 2, respelled),
    "signature of zeros": lambda: spoiled(good(), 2, lambda _: encoded(bytes(64))),
    "signature in DER": lambda: spoiled(good(), 2, lambda _: encoded(b"\x30\x06\x02\x01\x01\x02\x01\x01")),
    "signature empty": lambda: spoiled(good(), 2, lambda _: ""),
    "claims with padding": lambda: spoiled(good(), 1, lambda text: text + "="),
    "claims in plain base64": lambda: spoiled(good(), 1, lambda text: text + "+/"),
    "a line break inside": lambda: good()[:20] + "\n" + good()[20:],
    "a space before": lambda: " " + good(),
    "two parts": lambda: good().rpartition(".")[0],
    "four parts": lambda: good() + ".AAAA",
    "five parts, a JWE": lambda: "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA",
    "JSON serialization": lambda: json.dumps({"payload": part(GOOD), "protected": part({"alg": "ES256"}), "signature": "AA"}),
    "an object": lambda: {"payload": part(GOOD)},
    "a list": lambda: [good()],
    "a number": lambda: 7,
    "true": lambda: True,
    "empty": lambda: "",
    "too long": lambda: good() + "A" * 40000,
}


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return by_its_clock(await trusting(tmp_path, written(max_age=300, once=True)))


@meets("R-60", "R-61", "R-63", "R-64", "R-65", "X-40", "X-42", "X-68")
@pytest.mark.parametrize("name", FORGED)
async def test_a_tampered_statement_vouches_for_nobody(server: World, name: str) -> None:
    code, description = await server.refusal(software_statement=FORGED[name]())

    assert code == ISS
    assert description.startswith("software_statement: ")
    assert server.strangers.asked == []


async def test_the_statement_that_all_of_them_were_made_of_is_good(server: World) -> None:
    assert (await server.register(software_statement=good()))["client_name"] == "Official Tea"
    assert len(FORGED) >= 60


@meets("X-43", "R-104")
async def test_no_other_jwt_of_ours_or_of_clients_is_a_statement_and_no_statement_is_one_of_them(server: World) -> None:
    card = await server.register()
    api = await server.resource()
    signer = server.ports.signer
    signer.know(await server.ports.store.signing_keys())
    ours = [signer.sign({"iss": ISSUER, "sub": "x", "aud": ISSUER}, typ) for typ in ("at+jwt", "JWT", "logout+jwt")]
    client = DIRECTORYS.signs(assertion_claims(card["client_id"], ISSUER, START))

    for token in ours:
        assert (await server.refusal(software_statement=token))[0] in (ISS, USS)
    assert (await server.refusal(software_statement=client))[0] == USS
    statement = said(sub=card["client_id"], aud=ISSUER, exp=START + 60)
    form: dict[str, Any] = {"grant_type": "client_credentials", "client_assertion": statement}
    form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert (await server.post_form("/token", form)).no == (401, "invalid_client")
    asked = await server.introspect(api.information, statement)
    assert asked.json == {"active": False}
    bearer = {"authorization": f"Bearer {statement}"}
    assert (await server.call("GET", "/userinfo", b"", bearer)).status == 401
    body = json.dumps({"redirect_uris": [CALLBACK]}).encode()
    assert (await server.call("POST", "/register", body, {"content-type": "application/json", **bearer})).status == 401


@meets("X-59")
async def test_a_statement_for_one_server_says_nothing_at_another(tmp_path: Path, server: World) -> None:
    other = await trusting(tmp_path / "other", issuer="https://other.example")
    statement = said(aud=ISSUER)

    await server.register(software_statement=statement)

    assert (await other.refusal(software_statement=statement))[0] == ISS


@meets("R-62")
async def test_an_issuer_is_compared_exactly(server: World) -> None:
    for name in (DIRECTORY + "/", DIRECTORY.upper(), " " + DIRECTORY, ISSUER, "null"):
        assert (await server.refusal(software_statement=Directory(name).states()))[0] == USS
