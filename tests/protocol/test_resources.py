"""Which URI may be the audience of a token, and which two are one (RFC 8707 §2, H-05)."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.persons.resources import canonical, check, is_own
from tests.ledger import meets
from tests.protocol.macs import ISSUER

LOCAL = "http://127.0.0.1:8000"


@meets("H-05")
@pytest.mark.parametrize(
    "said, meant",
    [
        ("https://api.example", "https://api.example"),
        ("https://api.example/", "https://api.example"),
        ("HTTPS://API.Example/", "https://api.example"),
        ("https://API.example/Orders", "https://api.example/Orders"),
        ("https://api.example/orders/", "https://api.example/orders/"),
        ("https://api.example//", "https://api.example//"),
        ("https://API.example?A=B", "https://api.example?A=B"),
        ("https://API.example/?A=/", "https://api.example/?A=/"),
        ("https://API.example:8443/x", "https://api.example:8443/x"),
        ("https://api.example/%2F", "https://api.example/%2F"),
    ],
)
def test_the_case_of_scheme_and_host_and_the_slash_of_an_empty_path_do_not_count(said: str, meant: str) -> None:
    assert check(said, ISSUER) == meant
    assert canonical(meant) == meant


@meets("H-05")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "api.example",
        "//api.example",
        "/orders",
        "urn:example:orders",
        "mailto:a@api.example",
        "http://api.example",
        "http://127.0.0.1:9000",
        "ftp://api.example",
        "javascript://api.example/%0aalert(1)",
        "https://",
        "https:///orders",
        "https://:443/",
        "https://api.example#part",
        "https://api.example/#",
        "https://user@api.example",
        "https://user:password@api.example/",
        "https://@api.example",
        "https://api.example/a b",
        "https://api.example/\n",
        "https://api.example\\orders",
        "https://bücher.example",
        "https://[x",
        "https://a]",
        "https://a:b:c/",
        "https://a:99999/",
        "https://a:*/",
        "https://api.example/" + "a" * 2048,
    ],
    ids=ascii,
)
def test_what_is_no_absolute_https_uri_is_no_resource(uri: str) -> None:
    with pytest.raises(Refusal, match=r"^resource: .* \(RFC 8707 section 2\)$") as refused:
        check(uri, ISSUER)

    assert refused.value.no is No.INVALID_TARGET


@meets("H-05", "H-25")
@pytest.mark.parametrize("issuer", [LOCAL, "http://localhost:8000", "http://[::1]:8000/a", "https://127.0.0.1"])
@pytest.mark.parametrize("uri", ["http://127.0.0.1:9000/mcp", "http://localhost:9000", "http://[::1]:9000", "HTTP://LOCALHOST:9000/"])
def test_http_is_a_resource_on_loopback_while_we_are_on_loopback(uri: str, issuer: str) -> None:
    assert check(uri, issuer) == canonical(uri)


@pytest.mark.parametrize("uri", ["http://127.0.0.1.evil.example", "http://localhost.evil.example", "http://10.0.0.1"])
def test_http_is_no_resource_elsewhere_though_we_are_on_loopback(uri: str) -> None:
    with pytest.raises(Refusal, match="https"):
        check(uri, LOCAL)


@meets("H-05")
@pytest.mark.parametrize("issuer", [ISSUER, "https://AS.Example/tenant", "HTTPS://as.example:443"])
@pytest.mark.parametrize(
    "uri", ["https://as.example", "HTTPS://AS.EXAMPLE/", "https://as.example/userinfo", "https://as.example:443/x", "https://as.example?x"]
)
def test_our_own_origin_is_found_in_any_spelling(uri: str, issuer: str) -> None:
    assert is_own(check(uri, issuer), issuer)


@pytest.mark.parametrize(
    "uri", ["https://api.example", "https://as.example:8443", "https://as.example.evil.example", "https://xas.example"]
)
def test_another_origin_is_not_ours(uri: str) -> None:
    assert not is_own(check(uri, ISSUER), ISSUER)


@meets("H-05", "H-25")
@pytest.mark.parametrize("issuer", [LOCAL, "http://localhost:8000", "http://[::1]:8000/tenant"])
@pytest.mark.parametrize("uri", ["http://127.0.0.1:8000", "http://localhost:8000/x", "http://[::1]:8000", "http://127.9.9.9:8000/"])
def test_on_loopback_our_own_origin_is_found_under_every_name_of_this_machine(uri: str, issuer: str) -> None:
    assert is_own(check(uri, issuer), issuer)


def test_a_neighbour_on_loopback_is_not_ours() -> None:
    assert not is_own(check("http://127.0.0.1:9000", LOCAL), LOCAL)
    assert is_own(check("http://127.0.0.1:8000/x", LOCAL), LOCAL)


@given(st.text(max_size=60) | st.text(max_size=60).map("https://{}".format))
def test_any_text_is_a_resource_or_refused_for_what_it_is(text: str) -> None:
    accepted = ""
    with suppress(Refusal):
        accepted = check(text, ISSUER)

    assert not accepted or check(accepted, ISSUER) == accepted
