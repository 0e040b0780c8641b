"""Which addresses a client may name (RFC 7591 §5, RFC 8252 §7)."""

from pathlib import Path

import pytest

from tests.ledger import meets
from tests.world import World, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


URL_MEMBERS = (
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "jwks_uri",
    "initiate_login_uri",
    "organization_uri",
    "information_uri",
    "sector_identifier_uri",
    "backchannel_logout_uri",
    "frontchannel_logout_uri",
)
SCRIPTS = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://a/x",
    "view-source:https://a/",
)


@meets("X-11", "X-74")
@pytest.mark.parametrize("uri", SCRIPTS)
@pytest.mark.parametrize("member", [*URL_MEMBERS, "client_uri#fr", "logo_uri#de-CH", "tos_uri#fr", "policy_uri#ja"])
async def test_a_link_with_a_dangerous_scheme_is_refused_in_every_member_and_language(server: World, member: str, uri: str) -> None:
    code, why = await server.refusal(**{member: uri})

    assert code == "invalid_client_metadata"
    assert why.startswith(member)


@meets("X-74", "C-15")
@pytest.mark.parametrize("uri", SCRIPTS)
@pytest.mark.parametrize("kind", ["web", "native"])
async def test_nobody_is_redirected_to_a_dangerous_scheme_before_or_after_logout(server: World, kind: str, uri: str) -> None:
    before, _ = await server.refusal(application_type=kind, redirect_uris=[uri])
    after, _ = await server.refusal(application_type=kind, post_logout_redirect_uris=[uri])

    assert (before, after) == ("invalid_redirect_uri", "invalid_client_metadata")


@meets("X-74")
async def test_scopes_beyond_what_strangers_may_have_are_not_registered(tmp_path: Path) -> None:
    server = await world(tmp_path, scopes=("openid", "profile", "admin"), anonymous_scopes=("openid", "profile"))

    card = await server.register(scope="openid admin")

    assert card["scope"] == "openid"


@meets("R-30")
@pytest.mark.parametrize(
    "uri",
    [
        "/cb",
        "a.example/cb",
        "https://",
        "https:///cb",
        "https://a.example/cb#x",
        "https://a.example/cb#",
        "https://user@a.example/cb",
        "https://user:pass@a.example/cb",
        "https://*.example/cb",
        "https://a.example/*",
        "https://a.example/c b",
        "https://a.example/c\tb",
        "https://a.example\\cb",
        "https://a.example/cb\u007f",
        "https://a.example/\u00fc",
        "http://a.example/cb",
        "",
    ],
)
async def test_a_redirect_uri_that_is_not_plain_and_absolute_is_refused(server: World, uri: str) -> None:
    code, why = await server.refusal(redirect_uris=["https://good.example/cb", uri])

    assert code == "invalid_redirect_uri"
    assert why.startswith("redirect_uris")


@meets("C-21", "C-33", "C-35", "H-08", "H-09")
@pytest.mark.parametrize(
    "kind, uri, status",
    [
        ("web", "https://a.example/cb", 201),
        ("web", "http://localhost:9000/callback", 201),
        ("web", "http://127.0.0.1/cb", 201),
        ("web", "http://[::1]:8/cb", 201),
        ("web", "http://localhost:*/cb", 201),
        ("web", "http://a.example/cb", 400),
        ("web", "http://127.0.0.1.evil.example/cb", 400),
        ("web", "com.example.tea:/cb", 400),
        ("native", "https://a.example/cb", 201),
        ("native", "https://localhost/cb", 400),
        ("native", "http://127.8.9.1:1/cb", 201),
        ("native", "http://10.0.0.1/cb", 400),
        ("native", "com.example.tea:/cb", 201),
        ("native", "com.example.tea://host/cb", 201),
        ("native", "tea:/cb", 400),
        ("native", "cursor://anysphere.cursor-mcp/oauth/callback", 201),
        ("web", "cursor://anysphere.cursor-mcp/oauth/callback", 201),
        ("native", "cursor://anysphere.cursor-mcp/oauth/callback?x=1", 400),
        ("native", "cursor://anysphere.cursor-mcp/other", 400),
        ("native", "cursor:/", 400),
    ],
)
async def test_which_callbacks_a_kind_of_client_may_have(server: World, kind: str, uri: str, status: int) -> None:
    said, body = await server.tried(application_type=kind, redirect_uris=[uri])

    assert said == status
    assert body["redirect_uris"] == [uri] if status == 201 else body["error"] == "invalid_redirect_uri"


@meets("C-35", "H-09")
async def test_an_operator_can_allow_a_private_callback_without_a_dot(tmp_path: Path) -> None:
    server = await world(tmp_path, callbacks=("tea://pot/cb",))

    card = await server.register(redirect_uris=["tea://pot/cb"], application_type="native")
    code, why = await server.refusal(redirect_uris=["tea://pot/cb", "tea://pot/other"], application_type="native")

    assert card["redirect_uris"] == ["tea://pot/cb"]
    assert code == "invalid_redirect_uri"
    assert why.startswith("redirect_uris[1]: has the scheme tea")


@meets("H-18")
@pytest.mark.parametrize(
    "uri, word",
    [
        ("http://localhost/cb", "localhost"),
        ("https://a.example/cb;x", "semicolons"),
        ("https://a.example/cb?next=https://b.example", "query holds an address"),
        ("https://as.example.evil.example/cb", "looks like another one"),
        ("https://xn--bcher-kva.example/cb", "script"),
    ],
)
async def test_a_good_redirect_of_a_shape_that_attackers_like_is_warned_of(server: World, uri: str, word: str) -> None:
    await server.register(redirect_uris=[uri])

    [event] = await server.told("client_registered")
    assert any(text.startswith("redirect_uris[0]: ") and word in text for text in event["body"]["warnings"])


@meets("C-20", "S0-13")
async def test_addresses_are_not_fetched_when_a_client_registers(server: World) -> None:
    card = await server.register(jwks_uri="https://nowhere.invalid/keys", logo_uri="https://nowhere.invalid/logo.png")

    assert (card["jwks_uri"], card["logo_uri"]) == ("https://nowhere.invalid/keys", "https://nowhere.invalid/logo.png")
