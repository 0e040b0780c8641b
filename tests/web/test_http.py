"""From bytes to a request: bearer tokens, forms, client credentials, networks."""

import base64

import pytest
from msgspec import structs

from calling_card.protocol.errors import No, Refusal
from calling_card.usecases.authenticate import Presented
from calling_card.web.http import Request, bearer, form, presented, source_network
from tests.ledger import meets


def request(body: bytes = b"", *headers: tuple[str, str]) -> Request:
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name.encode(), []).append(value.encode("latin-1"))
    return Request("POST", "/", b"", found, "198.51.100.1", "id", {}, body)


JWT = b"client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c"


def basic(credentials: str) -> tuple[str, str]:
    return "authorization", "Basic " + base64.b64encode(credentials.encode()).decode()


@meets("M-07", "M-08")
@pytest.mark.parametrize(
    "headers, token",
    [([], None), ([("authorization", "Bearer abc")], "abc"), ([("authorization", "bEARER  abc ")], "abc")],
)
def test_a_bearer_token_is_read(headers: list[tuple[str, str]], token: str | None) -> None:
    assert bearer(request(b"", *headers)) == token


@pytest.mark.parametrize(
    "source, network",
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::"),
        ("2001:db8:0:0:ffff::1", "2001:db8::"),
        ("2001:db8:0:1::1", "2001:db8:0:1::"),
        ("2001:0DB8:0000:0000::2", "2001:db8::"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:443", "198.51.100.7:443"),
        ("", ""),
    ],
)
def test_a_budget_is_kept_for_an_address_or_for_a_network_that_one_party_has(source: str, network: str) -> None:
    assert source_network(source) == network


@meets("X-65")
def test_a_form_has_each_parameter_once_but_for_resource() -> None:
    sent = form(request(b"a=1&b=%C3%A9+x%2B&empty=&resource=r1&resource=&resource=r2"))

    assert sent.values == {"a": "1", "b": "\u00e9 x+"}
    assert sent.resources == ("r1", "r2")


@meets("X-65")
@pytest.mark.parametrize(
    "body, words",
    [
        (b"a=1&a=1", "a: this parameter was sent more than once"),
        (b"a=&a=1", "a: this parameter was sent more than once"),
        (b"&".join(b"f%d=1" % n for n in range(101)), "with at most 100 fields"),
        (b"a=\xe9", "not a form in UTF-8"),
        (b"a=%E9", "not a form in UTF-8"),
        (b"%E9=a", "not a form in UTF-8"),
    ],
)
def test_a_form_that_can_be_read_in_two_ways_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(Refusal) as caught:
        form(request(body))

    assert caught.value.no is No.INVALID_REQUEST
    assert words in caught.value.description


@pytest.mark.parametrize(
    "body, headers, said",
    [
        (b"client_id=c1", [], Presented("none", "c1", request_id="id")),
        (b"client_id=c1&client_secret=s", [], Presented("client_secret_post", "c1", "s", "id")),
        (b"", [basic("c1:s")], Presented("client_secret_basic", "c1", "s", "id", "s")),
        (b"client_id=c1", [basic("c1:s:t")], Presented("client_secret_basic", "c1", "s:t", "id", "s:t")),
        (b"", [basic("c%31:s%2B+x")], Presented("client_secret_basic", "c1", "s+ x", "id", "s%2B+x")),
        (JWT + b"&client_id=c1", [], Presented("assertion", "c1", request_id="id", assertion="a.b.c")),
        (JWT, [], Presented("assertion", "", request_id="id", assertion="a.b.c")),
        (b"client_id=c1&grant_type=authorization_code&code=x", [], Presented("none", "c1", request_id="id", speaks="x")),
        (
            JWT + b"&grant_type=refresh_token&refresh_token=y&code=x",
            [],
            Presented("assertion", "", request_id="id", assertion="a.b.c", speaks="y"),
        ),
        (b"client_id=c1&grant_type=client_credentials&code=x", [], Presented("none", "c1", request_id="id")),
        (b"client_id=c1&code=x&refresh_token=y&token=z", [], Presented("none", "c1", request_id="id")),
        (b"client_id=c1&client_discovery=true", [], Presented("none", "c1", request_id="id", discovery=True)),
        (b"client_id=c1&client_discovery=false", [], Presented("none", "c1", request_id="id")),
        (b"client_id=c1&client_discovery=", [], Presented("none", "c1", request_id="id")),
    ],
)
def test_how_a_client_says_who_it_is(body: bytes, headers: list[tuple[str, str]], said: Presented) -> None:
    asked = request(body, *headers)

    assert presented(asked, form(asked)) == structs.replace(said, source="198.51.100.1")


def test_what_is_asked_about_or_given_back_says_whose_it_is() -> None:
    asked = request(b"client_id=c1&token=z&code=x&grant_type=authorization_code")

    assert presented(asked, form(asked), "revocation").speaks == "z"


@pytest.mark.parametrize(
    "body, headers, no",
    [
        (b"", [], No.INVALID_CLIENT),
        (b"client_secret=s", [], No.INVALID_CLIENT),
        (b"", [("authorization", "Bearer x")], No.INVALID_CLIENT),
        (b"", [basic("c1:s"), basic("c1:s")], No.INVALID_CLIENT),
        (b"", [basic("c1")], No.INVALID_CLIENT),
        (b"", [basic(":s")], No.INVALID_CLIENT),
        (b"", [basic("%E9:s")], No.INVALID_CLIENT),
        (b"", [("authorization", "Basic !!!")], No.INVALID_CLIENT),
        (b"", [("authorization", "Basic /w==")], No.INVALID_CLIENT),
        (b"client_secret=s", [basic("c1:s")], No.INVALID_REQUEST),
        (b"client_id=c2", [basic("c1:s")], No.INVALID_REQUEST),
        (JWT, [basic("c1:s")], No.INVALID_REQUEST),
        (JWT + b"&client_id=c1&client_secret=s", [], No.INVALID_REQUEST),
        (b"client_assertion=a.b.c", [basic("c1:s")], No.INVALID_REQUEST),
        (b"client_assertion_type=x&client_secret=s", [], No.INVALID_REQUEST),
        (b"client_assertion=a.b.c&client_id=c1", [], No.INVALID_REQUEST),
        (b"client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer", [], No.INVALID_REQUEST),
        (b"client_id=c1&client_discovery=yes", [], No.INVALID_REQUEST),
        (b"client_id=c1&client_discovery=TRUE", [], No.INVALID_REQUEST),
        (b"client_id=c1&client_discovery=1", [basic("c1:s")], No.INVALID_REQUEST),
    ],
)
def test_credentials_that_are_missing_broken_or_sent_twice_are_refused(body: bytes, headers: list[tuple[str, str]], no: No) -> None:
    asked = request(body, *headers)

    with pytest.raises(Refusal) as caught:
        presented(asked, form(asked))

    assert caught.value.no is no
    assert caught.value.basic == (no is No.INVALID_CLIENT)


@meets("A-40")
@pytest.mark.parametrize(
    "kind",
    [
        b"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Asaml2-bearer",
        b"URN%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
        b"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer+",
        b"urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer",
        b"jwt-bearer",
    ],
)
def test_an_assertion_has_exactly_the_type_of_one(kind: bytes) -> None:
    asked = request(b"client_id=c1&client_assertion=a.b.c&client_assertion_type=" + kind)

    with pytest.raises(Refusal) as caught:
        presented(asked, form(asked))

    assert (caught.value.no, caught.value.basic) == (No.INVALID_CLIENT, False)
    assert caught.value.description == (
        "client_assertion_type: must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer (RFC 7523 section 2.2)"
    )


@pytest.mark.parametrize("endpoint", ["token", "introspection", "revocation"])
def test_where_a_client_says_who_it_is_is_remembered(endpoint: str) -> None:
    asked = request(JWT)

    assert presented(asked, form(asked), endpoint).endpoint == endpoint
