"""Hosts and callbacks as an operator writes them (X-26, X-83)."""

import pytest

from calling_card.protocol.policy.sites import PRESETS, callback_fits, callback_problem, on_sites, scheme_of, site_problem
from tests.ledger import meets


@meets("X-83")
@pytest.mark.parametrize(
    "host, fits",
    [
        ("a.example.com", True),
        ("b.a.example.com", True),
        ("example.com", False),
        ("evilexample.com", False),
        ("a.evilexample.com", False),
        ("example.com.evil.test", False),
        ("a.example.com.evil.test", False),
        (".example.com", True),
        ("", False),
        ("com", False),
    ],
)
def test_a_wildcard_host_is_matched_label_by_label_and_never_by_how_it_ends(host: str, fits: bool) -> None:
    assert on_sites(host, ("*.example.com",)) is fits


def test_a_host_without_a_wildcard_is_only_itself() -> None:
    assert on_sites("app.example", ("other.example", "app.example"))
    assert not on_sites("a.app.example", ("app.example",))
    assert on_sites("127.0.0.1", ("127.0.0.1",))


@pytest.mark.parametrize(
    "site, problem",
    [
        ("app.example", ""),
        ("*.app.example", ""),
        ("localhost", ""),
        ("[::1]", ""),
        ("App.example", "must be in lower case"),
        ("*.example", "needs a domain of two labels or more behind *."),
        ("*.127.0.0.1", "needs a domain of two labels or more behind *."),
        ("*.", "needs a domain of two labels or more behind *."),
        ("*", "is a host that is not a DNS name in ASCII letters, digits and hyphens"),
        ("a.*.example", "is a host that is not a DNS name in ASCII letters, digits and hyphens"),
        ("https://app.example", "is a host that is not a DNS name in ASCII letters, digits and hyphens"),
        ("192.0.2.1", "is an IP address as host; use a name"),
    ],
)
def test_what_is_no_host_is_not_taken_for_one(site: str, problem: str) -> None:
    assert site_problem(site) == problem


@pytest.mark.parametrize(
    "pattern, uri, fits",
    [
        ("https://app.example/cb", "https://app.example/cb", True),
        ("https://app.example/cb", "https://APP.example/cb", True),
        ("https://app.example/cb", "https://app.example/cb/", False),
        ("https://app.example/cb", "https://app.example/CB", False),
        ("https://app.example/cb", "https://app.example:8443/cb", False),
        ("https://app.example/cb", "http://app.example/cb", False),
        ("https://app.example/cb", "https://app.example/cb?next=https://evil.test", False),
        ("https://app.example/cb", "https://app.example/cb#x", False),
        ("https://app.example/cb", "https://app.example.evil.test/cb", False),
        ("https://app.example/cb", "no address", False),
        ("https://app.example/", "https://app.example", True),
        ("https://app.example/cb/*", "https://app.example/cb/one", True),
        ("https://app.example/cb/*", "https://app.example/cb/", False),
        ("https://app.example/cb/*", "https://app.example/cb/..", False),
        ("https://app.example/cb/*", "https://app.example/cb/one/two", False),
        ("https://app.example/cb/*", "https://app.example/cb/%2e%2e", False),
        ("https://app.example/cb/*", "https://app.example/cbx/one", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:5123/cb", True),
        ("http://127.0.0.1/cb", "http://127.0.0.1/cb", True),
        ("http://127.0.0.1:80/cb", "http://127.0.0.1:5123/cb", False),
        ("http://127.0.0.1/cb", "http://localhost:5123/cb", False),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback", True),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor://evil/oauth/callback", False),
    ],
)
def test_a_callback_is_taken_whole(pattern: str, uri: str, fits: bool) -> None:
    assert callback_fits(pattern, uri) is fits


@pytest.mark.parametrize(
    "pattern, problem",
    [
        ("https://app.example/cb/*", ""),
        ("com.example.app:/cb", ""),
        ("cb", "is no address"),
        ("https://*.example/cb", "may have no query and no fragment, and * only as the last segment of its path"),
        ("https://app.example/cb*", "may have no query and no fragment, and * only as the last segment of its path"),
        ("https://app.example/cb?x=1", "may have no query and no fragment, and * only as the last segment of its path"),
        ("https://app.example/cb#x", "may have no query and no fragment, and * only as the last segment of its path"),
        ("https://192.0.2.1/cb", "has an IP address as host; use a name"),
    ],
)
def test_what_is_no_callback_is_not_taken_for_one(pattern: str, problem: str) -> None:
    assert callback_problem(pattern) == problem


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_what_an_operator_could_write(name: str) -> None:
    assert PRESETS[name]
    assert not [problem for callback in PRESETS[name] if (problem := callback_problem(callback))]


@pytest.mark.parametrize(
    "preset, uri",
    [
        ("claude", "https://claude.ai/api/mcp/auth_callback"),
        ("claude-code", "http://localhost:3118/callback"),
        ("chatgpt", "https://chatgpt.com/connector/oauth/a1b2"),
        ("cursor", "cursor://anysphere.cursor-mcp/oauth/callback"),
        ("cursor", "http://localhost:8787/callback"),
        ("vscode", "http://127.0.0.1:33418/"),
        ("codex", "http://127.0.0.1:1455/callback/abcdefabcdef"),
        ("mcp-remote", "http://localhost:23456/oauth/callback"),
        ("opencode", "http://127.0.0.1:19876/mcp/oauth/callback"),
    ],
)
def test_what_well_known_clients_send_is_in_their_preset(preset: str, uri: str) -> None:
    assert any(callback_fits(callback, uri) for callback in PRESETS[preset])


def test_the_scheme_of_an_address_is_in_lower_case() -> None:
    assert scheme_of("COM.Example.App:/cb") == "com.example.app"
