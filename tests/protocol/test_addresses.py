"""URLs, hosts and callbacks: one grammar, and every trick we know of named and refused."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.abroad.addresses import (
    FORBIDDEN_SCHEMES,
    KNOWN_CALLBACKS,
    AddressError,
    Caller,
    callback_problem,
    callback_warnings,
    has_any_port,
    host_of,
    host_problem,
    is_dangerous,
    is_loopback_host,
    is_own,
    leads_to,
    origin_problem,
    own_host,
    redirect_matches,
    same_origin,
    split_url,
    stays_on_device,
    web_problem,
)
from tests.ledger import meets

WEB = Caller(native=False, implicit=False, issuer="https://as.example", callbacks=KNOWN_CALLBACKS)
NATIVE = WEB._replace(native=True)
IMPLICIT = WEB._replace(implicit=True)


def both(uri: str) -> str:
    """The problem of a redirect URI that neither type of client may have."""
    web, native = callback_problem(uri, WEB), callback_problem(uri, NATIVE)
    assert web
    assert native
    return web


# ── The grammar ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_url_is_taken_apart_and_nothing_in_it_changed() -> None:
    url = split_url("HTTPS://A.Example:8443/a%2Fb/C;x?q=1#frag")

    assert (url.scheme, url.authority, url.host, url.port) == ("https", "A.Example:8443", "a.example", "8443")
    assert (url.path, url.query, url.fragment) == ("/a%2Fb/C;x", "q=1", "frag")
    assert url.text == "HTTPS://A.Example:8443/a%2Fb/C;x?q=1#frag"


def test_an_address_without_authority_has_no_host() -> None:
    assert split_url("com.example.app:/cb?")[1:] == ("com.example.app", None, "", "", "/cb", "", None)


@meets("R-30", "X-25", "R-38")
@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "no URL may have"),
        ("https://a.example/a b", "no URL may have"),
        ("https://a.example/\t", "no URL may have"),
        ("https://a.example/\n", "no URL may have"),
        ("https://a.example\\@b.example/", "no URL may have"),
        ("https://a.example/\\..\\x", "no URL may have"),
        ('https://a.example/"', "no URL may have"),
        ("https://a.example/<x>", "no URL may have"),
        ("https://a.example/{x}", "no URL may have"),
        ("https://a.example/x|y", "no URL may have"),
        ("https://a.example/^`", "no URL may have"),
        ("https://a.example/%", "no URL may have"),
        ("https://a.example/%2", "no URL may have"),
        ("https://a.example/%zz", "no URL may have"),
        ("https://bücher.example/", "no URL may have"),
        ("https://a.example/ü", "no URL may have"),
        ("https://１２７.0.0.1/", "no URL may have"),
        ("//a.example/cb", "not an absolute URL"),
        ("/cb", "not an absolute URL"),
        ("cb", "not an absolute URL"),
        ("1https://a.example", "not an absolute URL"),
        ("https://a.example/[x]", "not an absolute URL"),
        ("https://user@a.example/", "must not name a user"),
        ("https://user:pw@a.example/", "must not name a user"),
        ("https://@a.example/", "must not name a user"),
        ("https://a.example@b.example/", "must not name a user"),
        ("https://%61.example/", "host or port"),
        ("https://a.example:/", "host or port"),
        ("https://a.example:x/", "host or port"),
        ("https://a.example:123456/", "host or port"),
        ("https://a.example:80:80/", "host or port"),
        ("https://[::1/", "host or port"),
        ("https://[::1]x/", "host or port"),
        ("https://[fe80::1%25eth0]/", "host or port"),
        ("https://a.example:0/", "port outside"),
        ("https://a.example:65536/", "port outside"),
        ("https://a.example/" + "x" * 2048, "longer than 2048 bytes"),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(text: str, problem: str) -> None:
    with pytest.raises(AddressError, match=problem):
        split_url(text)


def test_a_long_text_without_end_is_refused_quickly() -> None:
    with pytest.raises(AddressError):
        split_url("a" * 2047 + " ")


@meets("R-38")
@given(
    st.from_regex(
        r"(?:https?|HTTP|com\.example):(?://)?[A-Za-z0-9.:@\[\]%*-]{0,16}(?:/[!-~]{0,12})?(?:\?[!-~]{0,8})?(?:#[!-~]{0,4})?", fullmatch=True
    )
    | st.text(alphabet="htps:/\\@.[]?#%2e1a*;\t ", max_size=24)
)
def test_the_library_reads_what_we_take_as_we_do(text: str) -> None:
    try:
        ours = split_url(text)
    except AddressError:
        return
    theirs = urlsplit(text)

    assert (theirs.scheme, theirs.path, theirs.query, theirs.fragment) == (ours.scheme, ours.path, ours.query or "", ours.fragment or "")
    assert theirs.netloc == (ours.authority or "")
    if ours.scheme in {"http", "https"} and ours.port != "*" and not host_problem(ours.host):
        assert (theirs.hostname or "") == ours.host.strip("[]")
        assert theirs.port == (int(ours.port) if ours.port else None)


@meets("R-38")
@pytest.mark.parametrize(
    "host",
    ["a.example", "localhost", "xn--bcher-kva.example", "1a.example", "a-b.c-d.example", "intranet", "127.0.0.1", "127.255.0.9", "[::1]"],
)
def test_a_name_in_ascii_or_a_loopback_address_is_a_host(host: str) -> None:
    assert host_problem(host) == ""


@meets("R-38", "X-25")
@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        "0.0.0.0",  # noqa: S104 - an address to refuse, not one to listen on
        "10.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.01",
        "0127.0.0.1",
        "127.0.0.256",
        "127.0.0.1.5",
        "2130706433",
        "0",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "a.0x1",
        "a.0x",
        "a.example.1",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
        "[2001:db8::1]",
    ],
)
def test_an_ip_address_in_any_spelling_is_no_host(host: str) -> None:
    assert host_problem(host) == "has an IP address as host; use a name"
    assert not is_loopback_host(host)


@meets("R-38")
@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "a.example.",
        ".a.example",
        "a..example",
        "-a.example",
        "a-.example",
        "a_b.example",
        "*.example",
        "a!b",
        "x" * 64 + ".example",
        "a." * 127 + "ab",
    ],
)
def test_what_is_not_a_dns_name_is_no_host(host: str) -> None:
    assert host_problem(host) in {"has no host", "has a host that is not a DNS name in ASCII letters, digits and hyphens"}


@meets("R-38")
@pytest.mark.parametrize("host", ["xn--a.example", "a.xn--zz99999999", "xn--abcdefghijk0.example", "xn--x-ga"])
def test_an_encoded_label_must_say_something(host: str) -> None:
    assert "broken xn-- label" in host_problem(host)


@meets("R-36", "X-25")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "[::1]"])
def test_loopback_has_one_spelling_each(host: str) -> None:
    assert is_loopback_host(host)
    assert not is_loopback_host(host + ".evil.example")
    assert not is_loopback_host("a." + host)


# ── Links ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-11")
@pytest.mark.parametrize(
    "text, problem",
    [
        ("javascript:alert(1)", "must begin with https://"),
        ("data:text/html,x", "must begin with https://"),
        ("http://a.example", "must begin with https://"),
        ("https:a.example", "has no host"),
        ("https:///a.example", "has no host"),
        ("https://", "has no host"),
        ("https://:443/", "has no host"),
        ("https://a.example#x", "must not have a fragment"),
        ("https://a.example/#", "must not have a fragment"),
        ("https://localhost:*/", "must not have a wildcard"),
        ("https://8.8.8.8/", "has an IP address"),
        ("https://a.example/ ", "no URL may have"),
    ],
)
def test_a_link_must_be_a_plain_address_of_the_web(text: str, problem: str) -> None:
    assert problem in web_problem(text, 2048)


def test_a_link_may_have_what_its_member_allows() -> None:
    assert web_problem("https://a.example", 2048) == ""
    assert web_problem("http://a.example:8080/x?y=z", 2048, ("https", "http")) == ""
    assert web_problem("https://a.example/r.jwt#sha", 2048, fragment=True) == ""
    assert web_problem("https://a.example/x", 10) == "is longer than 10 bytes"


@pytest.mark.parametrize(
    "text, problem",
    [
        ("https://a.example", ""),
        ("https://a.example:8443", ""),
        ("http://localhost:3000", ""),
        ("http://a.example", "except on a loopback host"),
        ("https://a.example/", "origin: scheme, host and port only"),
        ("https://a.example?", "origin: scheme, host and port only"),
        ("https://*.example", "DNS name"),
        ("*", "not an absolute URL"),
        ("null", "not an absolute URL"),
    ],
)
def test_an_origin_ends_behind_its_port(text: str, problem: str) -> None:
    found = origin_problem(text, 2048)

    assert problem in found if problem else found == ""


def test_hosts_and_origins_of_addresses_are_compared() -> None:
    assert host_of("https://A.example/x") == own_host("https://a.example") == "a.example"
    assert host_of("com.example:/x") == host_of("no address") == ""
    assert same_origin("https://a.example/x", "HTTPS://A.example:443/y")
    assert not same_origin("https://a.example/x", "https://a.example:8443/x")
    assert not same_origin("https://a.example/x", "http://a.example/x")
    assert not same_origin("com.example:/x", "com.example:/x")
    assert not same_origin("no address", "no address")


# ── Callbacks ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-33", "X-20", "S0-13")
@pytest.mark.parametrize("scheme", sorted(FORBIDDEN_SCHEMES))
@pytest.mark.parametrize("shape", ["{}:alert(1)", "{}://a.example/cb", "{}:/cb"])
def test_a_dangerous_scheme_is_refused_whatever_the_type(scheme: str, shape: str) -> None:
    assert "never redirected to" in both(shape.format(scheme))
    assert "never redirected to" in both(shape.format(scheme.upper()))


@meets("X-20")
def test_an_operator_cannot_list_a_dangerous_callback() -> None:
    caller = NATIVE._replace(callbacks=("javascript:alert(1)",))

    assert "never redirected to" in callback_problem("javascript:alert(1)", caller)


@meets("R-30", "X-22", "R-32")
@pytest.mark.parametrize(
    "uri, problem",
    [
        ("https://a.example/cb#x", "must not have a fragment"),
        ("https://a.example/cb#", "must not have a fragment"),
        ("http://127.0.0.1/cb#x", "must not have a fragment"),
        ("https://u@a.example/cb", "must not name a user"),
        ("https://a.example/*", "wildcard"),
        ("https://*.a.example/cb", "wildcard"),
        ("https://a.example/cb?x=*", "wildcard"),
        ("https://a.example:*/cb", "wildcard"),
        ("https://a.example/x:*y", "wildcard"),
        ("https://localhost:*/cb", "wildcard"),
        ("http://localhost:*/*", "wildcard"),
        ("http://127.0.0.1.evil.example:*/cb", "wildcard"),
        ("https://a.example/cb/../x", "dot segments"),
        ("https://a.example/./cb", "dot segments"),
        ("https://a.example/cb/..", "dot segments"),
        ("https://a.example/..;/cb", "dot segments"),
        ("https://a.example/x/..;a=b/cb", "dot segments"),
        ("https://a.example/%2e%2e/cb", "dot segments"),
        ("https://a.example/%2E./cb", "dot segments"),
        ("https://a.example/%252e%252e/cb", "dot segments"),
        ("https://a.example/x%2f..%2fcb", "dot segments"),
        ("https://a.example/x%5c..%5ccb", "dot segments"),
        ("https://a.example/%255c", "dot segments"),
        ("https://a.example//cb", "dot segments"),
        ("https://a.example/x//cb", "dot segments"),
        ("https://a.example/%2fcb", "dot segments"),
        ("https://a.example/cb%00", "encoded controls"),
        ("https://a.example/cb%0d%0aSet-Cookie:x", "encoded controls"),
        ("https://a.example/cb?x=%0A", "encoded controls"),
        ("https://a.example/cb%7f", "encoded controls"),
        ("https://8.8.8.8/cb", "IP address"),
        ("http://[::ffff:127.0.0.1]/cb", "IP address"),
        ("http://2130706433/cb", "IP address"),
        ("https://a.example./cb", "DNS name"),
        ("https:a.example/cb", "has no host"),
        ("https:///cb", "has no host"),
        ("http://a.example/cb", "must begin with https://"),
        ("http://127.0.0.1.evil.example/cb", "must begin with https://"),
        ("http://localhost.evil.example/cb", "must begin with https://"),
        ("http://foo.localhost/cb", "must begin with https://"),
        ("urn:ietf:wg:oauth:2.0:oob", "needs a dot"),
        ("myapp://callback", "needs a dot"),
        ("cursor://anysphere.cursor-mcp/oauth/callback?x=1", "needs a dot"),
        ("cursor://anysphere.cursor-mcp/oauth/", "needs a dot"),
        ("cursor://evil/oauth/callback", "needs a dot"),
        ("cursor:", "needs a dot"),
        ("example.com:8080", "needs a slash"),
        ("com.example.app:cb", "needs a slash"),
        ("com.example.app:", "needs a slash"),
        ("com.example.app:/../cb", "dot segments"),
        ("cb", "not an absolute URL"),
        ("https://a.example/" + "x" * 2040, "longer than 2048 bytes"),
    ],
)
def test_a_callback_with_a_trick_in_it_is_refused_whatever_the_type(uri: str, problem: str) -> None:
    assert problem in both(uri)


@meets("R-34", "C-21")
@pytest.mark.parametrize(
    "uri",
    [
        "https://a.example/cb",
        "https://a.example",
        "https://a.example/.well-known/cb?x=1&y[]=2",
        "https://ai.example/oauth/clients/mcp:erp/callback",
        "https://a.example/a%20b;c=d/(e)",
        "https://localhost/cb",
        "http://localhost:9000/callback",
        "http://127.0.0.1/",
        "http://[::1]:8080/cb",
        "http://localhost:*/cb",
        "HTTP://LOCALHOST:80/cb",
    ],
)
def test_a_web_client_may_have_https_anywhere_and_http_on_loopback(uri: str) -> None:
    assert callback_problem(uri, WEB) == ""


@meets("R-34", "C-21")
@pytest.mark.parametrize("uri", ["https://localhost/cb", "https://127.0.0.1/cb", "http://localhost/cb", "http://[::1]/cb"])
def test_a_web_client_with_tokens_in_the_redirect_stays_off_loopback(uri: str) -> None:
    assert "must be https and not on this machine" in callback_problem(uri, IMPLICIT)
    assert callback_problem("https://a.example/cb", IMPLICIT) == ""


@meets("R-35", "C-33")
@pytest.mark.parametrize(
    "uri",
    [
        "com.example.tea:/cb",
        "com.example.tea://cb",
        "com.example.tea:///cb?x=y",
        "com.example.tea://host.name:80/cb",
        "http://localhost/cb",
        "http://127.0.0.1:33418/",
        "http://[::1]/cb",
        "https://a.example/cb",
    ],
)
def test_a_native_client_may_have_private_schemes_loopback_and_claimed_https(uri: str) -> None:
    assert callback_problem(uri, NATIVE) == ""


@meets("R-35", "C-33")
def test_https_on_loopback_is_not_claimed() -> None:
    assert "must be http on a loopback host" in callback_problem("https://localhost/cb", NATIVE)


@meets("R-34", "R-35")
def test_a_web_client_has_no_private_scheme() -> None:
    assert "application_type native" in callback_problem("com.example.tea:/cb", WEB)


@meets("H-09", "C-35")
def test_known_callbacks_without_a_dot_are_taken_whole_by_either_type() -> None:
    listed = NATIVE._replace(callbacks=("tool://callback",))

    assert [callback_problem(uri, caller) for uri in KNOWN_CALLBACKS for caller in (WEB, NATIVE)] == [""] * 2 * len(KNOWN_CALLBACKS)
    assert callback_problem("tool://callback", listed) == ""
    assert callback_problem("tool://callback/", listed)
    assert callback_problem("tool://callback", NATIVE)


@meets("R-39", "X-24")
@pytest.mark.parametrize(
    "uri",
    [
        "https://as.example/cb",
        "https://AS.example/cb",
        "https://as.example:8443/cb",
        "https://as.example",
        "HTTPS://as.EXAMPLE:443/cb",
    ],
)
def test_our_own_host_is_refused_on_any_port_and_in_any_case(uri: str) -> None:
    assert "this server itself" in both(uri)


@meets("X-24")
def test_a_trailing_dot_does_not_lead_around() -> None:
    assert "DNS name" in both("https://as.example./cb")
    assert "this server itself" in callback_problem("https://as.example/cb", WEB._replace(issuer="https://as.example."))
    assert callback_problem("https://bas.example/cb", WEB) == callback_problem("https://x.as.example/cb", WEB) == ""


@meets("R-39", "X-24")
@pytest.mark.parametrize("issuer", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_on_loopback_the_port_tells_servers_apart(issuer: str) -> None:
    caller = NATIVE._replace(issuer=issuer)

    assert "this server itself" in callback_problem("http://127.0.0.1:8000/cb", caller)
    assert "this server itself" in callback_problem("http://localhost:8000/cb", caller)
    assert callback_problem("http://127.0.0.1:9000/cb", caller) == ""
    assert callback_problem("http://127.0.0.1/cb", caller) == ""
    assert is_own(split_url("http://localhost/x"), "http://127.0.0.1")


@meets("H-18")
@pytest.mark.parametrize(
    "uri, finding",
    [
        ("com.example.tea:/cb", "private-use scheme"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "private-use scheme"),
        ("http://localhost/cb", "localhost may resolve"),
        ("http://127.0.0.1/cb", "client of type web"),
        ("https://localhost.evil.example/cb", "looks like another one"),
        ("https://127.0.0.1.evil.example/cb", "looks like another one"),
        ("https://as.example.evil.example/cb", "looks like another one"),
        ("https://as.example-login.example/cb", "looks like another one"),
        ("https://xn--bcher-kva.example/cb", "in its own script"),
        ("https://a.example/a%20b", "percent signs"),
        ("https://a.example/a;b", "semicolons"),
        ("https://a.example/go?to=https://b.example", "open redirector"),
        ("https://a.example/go?to=https%3A%2F%2Fb.example", "open redirector"),
        ("https://a.example/go?to=//b.example", "open redirector"),
    ],
)
def test_a_shape_that_attackers_like_is_pointed_at(uri: str, finding: str) -> None:
    assert any(finding in warning for warning in callback_warnings(uri, WEB))


@meets("H-18")
def test_plain_callbacks_raise_no_warning() -> None:
    assert callback_warnings("https://a.example/cb?x=1", WEB) == []
    assert callback_warnings("https://localhost/cb", WEB) == [
        "localhost may resolve to something else; 127.0.0.1 cannot (RFC 8252 section 8.3)"
    ]
    assert callback_warnings("http://127.0.0.1/cb", NATIVE) == []


@meets("R-100")
def test_an_address_leads_to_us_however_it_is_spelled() -> None:
    us, local = "https://as.example/tenant", "http://127.0.0.1:8000"

    assert all(leads_to(uri, us) for uri in ("https://as.example/cb", "https://AS.example:8443/", "http://as.example/", us))
    assert not any(leads_to(uri, us) for uri in ("https://as.example.evil.example/", "as.example:/cb", "no address", "https://app.example"))
    assert all(leads_to(uri, local) for uri in ("http://localhost:8000/cb", "http://[::1]:8000/", "https://127.0.0.1:8000/"))
    assert not any(leads_to(uri, local) for uri in ("http://localhost:8001/cb", "http://localhost/cb", "http://app.example:8000/"))


@meets("X-20")
def test_what_would_run_code_or_cannot_be_read_in_one_way_is_dangerous() -> None:
    assert all(map(is_dangerous, ["javascript:alert(1)", "JAVASCRIPT:x", "data:,x", "file:///x", "no address", "https://a@b.example"]))
    assert not any(map(is_dangerous, ["https://a.example/cb", "http://localhost:1/cb", "com.example.tea:/cb"]))


def test_only_a_star_says_that_any_port_will_do() -> None:
    assert has_any_port("http://localhost:*/cb")
    assert not any(map(has_any_port, ["http://localhost/cb", "http://localhost:1/cb", "https://a.example:*/cb", "http://a.example/*"]))


def test_what_stays_on_the_device_is_loopback_http_or_a_private_scheme() -> None:
    assert all(map(stays_on_device, ["http://localhost/cb", "http://[::1]:1/", "com.example.tea:/cb"]))
    assert not any(map(stays_on_device, ["https://a.example/cb", "https://localhost/cb", "http://a.example/cb", "no address"]))


# ── Comparing ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("R-31", "X-21")
@pytest.mark.parametrize(
    "uri", ["https://a.example/cb", "com.example.tea:/cb", "http://127.0.0.1/cb", "HTTP://LOCALHOST/cb", *KNOWN_CALLBACKS]
)
def test_a_redirect_uri_matches_itself(uri: str) -> None:
    assert redirect_matches(uri, uri)


NEAR_WEB = [
    ("https://a.example/cb", asked)
    for asked in (
        "https://a.example/cb/",
        "https://a.example/c",
        "https://a.example/cbx",
        "https://a.example/CB",
        "https://A.example/cb",
        "HTTPS://a.example/cb",
        "http://a.example/cb",
        "https://a.example:443/cb",
        "https://a.example:8443/cb",
        "https://a.example./cb",
        "https://a.example/cb?",
        "https://a.example/cb?x=1",
        "https://a.example/cb#",
        "https://a.example/cb#x",
        "https://a.example/cb%20",
        "https://a.example/%63b",
        "https://a.example/./cb",
        "https://a.example/x/../cb",
        "https://a.example/%2e/cb",
        "https://a.example/..;/cb",
        "https://a.example//cb",
        "https://a.example/\\cb",
        "https:\\\\a.example\\cb",
        "https://a.example\\@b.example/cb",
        "https://user@a.example/cb",
        "https://a.example@b.example/cb",
        "https://ba.example/cb",
        "https://b.a.example/cb",
        "https://a.example.evil.example/cb",
        "https://a.example%2eevil.example/cb",
        " https://a.example/cb",
        "https://a.example/cb ",
        "https://a.example/cb\n",
        "https://a.example/cb\x00",
        "https://a.example/*",
        "https://ａ.example/cb",
        "https:a.example/cb",
        "//a.example/cb",
        "",
    )
]
NEAR_PORTS = [
    ("http://127.0.0.1/cb", asked)
    for asked in (
        "http://127.0.0.1/",
        "http://127.0.0.1:80",
        "http://127.0.0.1:8080/cb/",
        "http://127.0.0.1:8080/CB",
        "http://127.0.0.1:8080/cb?x=1",
        "http://127.0.0.1:8080/cb#x",
        "http://127.0.0.1:8080/../cb",
        "http://127.0.0.1:8080//cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:080/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:*/cb",
        "http://127.0.0.1:80x/cb",
        "http://127.0.0.1:80:90/cb",
        "http://127.0.0.2/cb",
        "http://127.1/cb",
        "http://127.0.0.01/cb",
        "http://2130706433/cb",
        "http://0x7f.1/cb",
        "http://localhost/cb",
        "http://[::1]/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "https://127.0.0.1/cb",
        "HTTP://127.0.0.1/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1.evil.example:80/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://user@127.0.0.1/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://evil.example/127.0.0.1/cb",
        "http://evil.example#127.0.0.1/cb",
        "http://127.0.0.1\\@evil.example/cb",
        "http://127.0.0.1:8080/cb\n",
        "http://127.0.0.1:８０/cb",
    )
]
NEAR_OTHERS = [
    ("http://localhost/cb?a=b", "http://localhost:5000/cb"),
    ("http://localhost/cb?a=b", "http://localhost:5000/cb?a=c"),
    ("http://localhost/cb?a=b", "http://localhost:5000/cb?a=b&c=d"),
    ("http://localhost/cb", "http://LOCALHOST:5000/cb"),
    ("http://localhost/cb", "http://localhost.:5000/cb"),
    ("http://localhost/cb", "http://127.0.0.1:5000/cb"),
    ("http://localhost:*/cb", "http://localhost:*/cb"),
    ("http://localhost:*/cb", "http://localhost:*1/cb"),
    ("http://localhost:*/cb", "http://localhost:/cb"),
    ("https://localhost/cb", "https://localhost:5000/cb"),
    ("https://localhost:*/cb", "https://localhost:5000/cb"),
    ("com.example.tea://localhost/cb", "com.example.tea://localhost:1/cb"),
    ("com.example.tea:/cb", "com.example.tea:/CB"),
    ("com.example.tea:/cb", "com.example.Tea:/cb"),
    ("com.example.tea:/cb", "com.example.tea:cb"),
]
NEAR = [*NEAR_WEB, *NEAR_PORTS, *NEAR_OTHERS]


@meets("R-31", "R-36", "X-21", "X-22", "X-25", "X-90")
@pytest.mark.parametrize("registered, asked", NEAR)
def test_a_near_miss_is_a_miss(registered: str, asked: str) -> None:
    assert not redirect_matches(registered, asked)


def test_there_are_enough_near_misses() -> None:
    assert len(NEAR) == len(set(NEAR)) >= 60


@meets("R-36", "H-08", "X-25")
@pytest.mark.parametrize(
    "registered, asked",
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"),
        ("http://127.0.0.1:3000/cb", "http://127.0.0.1:65535/cb"),
        ("http://127.0.0.1:3000/cb", "http://127.0.0.1/cb"),
        ("http://127.9.8.7/cb", "http://127.9.8.7:1/cb"),
        ("http://[::1]:1/cb?x=y", "http://[::1]:2/cb?x=y"),
        ("http://localhost:8787/callback", "http://localhost:46653/callback"),
        ("http://localhost:*/cb", "http://localhost:1234/cb"),
        ("http://localhost:*/cb", "http://localhost/cb"),
        ("http://localhost", "http://localhost:80"),
        ("http://localhost?x=y", "http://localhost:80?x=y"),
    ],
)
def test_on_loopback_only_the_port_may_differ(registered: str, asked: str) -> None:
    assert redirect_matches(registered, asked)


@meets("R-31", "X-21")
@given(st.text(alphabet="htps:/.a127*?#@%e2", max_size=30), st.text(alphabet="htps:/.a127*?#@%e2", max_size=30))
def test_two_different_texts_match_on_loopback_http_alone(registered: str, asked: str) -> None:
    if registered != asked and redirect_matches(registered, asked):
        assert host_of(registered) == host_of(asked)
        assert is_loopback_host(host_of(asked))
