"""URLs as client_id: name spaces, canonical forms, places of documents, rules (CIMD §3, seed 004)."""

from dataclasses import replace

import pytest

from calling_card.protocol.abroad.clientids import GRAMMAR, RULES, Customs, Named, host_in, judged, listed, name, route_of, virtual_document
from calling_card.protocol.clients import Route
from calling_card.protocol.errors import No, Refusal
from tests.ledger import meets

ISSUER = "https://as.example"
CUSTOMS = Customs(ISSUER)
URL = "https://app.example/oauth/client.json"
ID = "A" * 22


@meets("D-01")
@pytest.mark.parametrize(
    "client_id, discovery, route",
    [
        ("cAbC", False, Route.REGISTERED),
        ("", False, Route.REGISTERED),
        ("urn:client", False, Route.REGISTERED),
        ("http://app.example/x", False, Route.REGISTERED),
        (URL, False, Route.CIMD),
        (URL.replace("https", "HTTPS"), False, Route.CIMD),
        (URL, True, Route.LOOKER),
        ("HTTPS://app.example", True, Route.LOOKER),
    ],
)
def test_the_request_says_in_which_name_space_a_client_id_is(client_id: str, discovery: bool, route: Route) -> None:
    assert route_of(client_id, CUSTOMS, discovery=discovery) is route


@meets("D-12")
def test_the_url_of_a_document_is_kept_as_it_came() -> None:
    for url in (URL, "https://App.Example/c", "https://app.example:443/c", "https://app.example/c%41"):
        assert name(url, CUSTOMS) == Named(Route.CIMD, url, (url,), "app.example")


@meets("C-28", "D-12", "S4-32", "S4-33", "S4-34")
@pytest.mark.parametrize(
    "said, kept",
    [
        ("https://Client.Example.org", "https://client.example.org"),
        ("HTTPS://client.example.org/", "https://client.example.org"),
        ("https://client.example.org:443", "https://client.example.org"),
        ("https://client.example.org:8443/", "https://client.example.org:8443"),
        ("https://client.example.org/App/", "https://client.example.org/App/"),
        ("https://client.example.org/a", "https://client.example.org/a"),
    ],
)
def test_a_discovered_client_has_one_spelling(said: str, kept: str) -> None:
    named = name(said, CUSTOMS, discovery=True)

    assert (named.client_id, named.host) == (kept, "client.example.org")
    assert named.places == (kept.rstrip("/") + "/.well-known/client-metadata",)


@meets("C-22")
def test_the_well_known_place_may_come_before_the_path_too() -> None:
    inserting = replace(CUSTOMS, insertion=True)

    below, before = name("https://a.example/x/y", inserting, discovery=True).places
    alone = name("https://a.example", inserting, discovery=True).places

    assert below == "https://a.example/x/y/.well-known/client-metadata"
    assert before == "https://a.example/.well-known/client-metadata/x/y"
    assert alone == ("https://a.example/.well-known/client-metadata",)


@meets("D-52")
def test_a_document_of_our_own_is_read_without_a_fetch() -> None:
    for issuer in (ISSUER, "http://127.0.0.1:8000"):
        url = f"{issuer}/client-documents/{ID}"
        assert name(url, Customs(issuer)) == Named(Route.CIMD, url, (), host_in(url), ID)


@meets("D-52", "D-53")
@pytest.mark.parametrize(
    "id, customs",
    [
        ("", CUSTOMS),
        ("abc", CUSTOMS),
        ("A" * 23, CUSTOMS),
        ("../" + "A" * 19, CUSTOMS),
        ("A" * 22 + "?x", CUSTOMS),
        ("A" * 22, replace(CUSTOMS, hosting=False)),
        ("A" * 22, replace(CUSTOMS, denied=("as.example",))),
        ("A" * 22, replace(CUSTOMS, allowed=("app.example",))),
    ],
)
def test_no_other_path_of_ours_is_a_document(id: str, customs: Customs) -> None:
    with pytest.raises(Refusal) as refused:
        name(f"{ISSUER}/client-documents/{id}", customs)

    assert refused.value.no is No.UNKNOWN_CLIENT


def test_a_hosted_document_is_none_that_is_discovered() -> None:
    named = name(ISSUER + "/client-documents/abc", CUSTOMS, discovery=True)

    assert (named.hosted, named.places) == ("", (ISSUER + "/client-documents/abc/.well-known/client-metadata",))


@pytest.mark.parametrize(
    "customs, discovery",
    [(replace(CUSTOMS, cimd=False), False), (replace(CUSTOMS, looker=False), True), (replace(CUSTOMS, denied=(URL,)), False)],
)
def test_a_way_that_is_shut_is_refused(customs: Customs, discovery: bool) -> None:
    with pytest.raises(Refusal) as refused:
        name(URL, customs, discovery=discovery)

    assert refused.value.no is No.UNKNOWN_CLIENT


def test_every_rule_is_told_of_what_the_grammar_can_read() -> None:
    found = judged("http://localhost:25/a/../b?x#y", Route.CIMD, CUSTOMS)
    unreadable = judged("https://a b/", Route.CIMD, CUSTOMS)

    assert [rule.name for rule, _ in found] == [GRAMMAR.name, *(rule.name for rule in RULES)]
    assert [rule.name for rule, problem in found if problem] == ["scheme", "fragment", "host", "port", "path", "query"]
    assert [(rule, bool(problem)) for rule, problem in unreadable] == [(GRAMMAR, True)]


def test_lists_know_urls_hosts_and_domains() -> None:
    assert listed(URL, "app.example", [URL])
    assert listed(URL, "app.example", ["app.example"])
    assert listed("https://a.b.example.org/c", "a.b.example.org", ["*.example.org"])
    assert not listed("https://example.org/c", "example.org", ["*.example.org"])
    assert not listed("https://b.org/c", "b.org", ["*.org"])
    assert not listed(URL, "app.example", ["*.app.example", "pp.example", "https://app.example/"])


def test_only_urls_have_a_host() -> None:
    assert (host_in(URL), host_in("cAbC"), host_in("https://a b/"), host_in("urn:x")) == ("app.example", "", "", "")


def test_a_virtual_client_says_everything_in_its_id() -> None:
    said = virtual_document(
        "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb&redirect_uri=http%3A%2F%2F%5B%3A%3A1%5D%2F&scope=atproto%20x"
    )

    assert said["redirect_uris"] == ["http://127.0.0.1/cb", "http://[::1]/"]
    assert said["scope"] == "atproto x"
    assert virtual_document("http://localhost/")["redirect_uris"] == ["http://127.0.0.1/", "http://[::1]/"]
