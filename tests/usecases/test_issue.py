"""A client asks for an access token in its own name: RFC 6749 §4.4, RFC 8707 §2.2, RFC 9068."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles import seals, tokens
from calling_card.usecases.authenticate import Presented
from calling_card.usecases.exchange.asked import Asked
from calling_card.usecases.issue import EXCHANGES, issue
from calling_card.usecases.tokens import Issued, read
from tests.ledger import meets
from tests.world import ISSUER, World, world

Card = dict[str, Any]
ORDERS, STOCK = "https://api.example/orders", "https://api.example/stock"


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path, scopes=("openid", "profile", "email", "offline_access", "orders:read", "orders:write"))


def asked(card: Card, scope: str = "", *resources: str, grant_type: str = "client_credentials") -> Asked:
    """A token request by the registered method."""
    presented = Presented(card["token_endpoint_auth_method"], card["client_id"], card.get("client_secret", ""))
    return Asked(presented, grant_type, scope, resources)


async def got(server: World, request: Asked) -> tuple[Issued, tokens.AccessToken]:
    """A token and what it says inside."""
    issued = await issue(server.ports, request)
    token = await read(server.ports, issued.access_token)
    assert token is not None
    assert (token.scope, token.expires_at - token.issued_at) == (issued.scope, issued.expires_in)
    return issued, token


async def audience(server: World, request: Asked) -> tuple[tuple[str, ...], str]:
    """For whom a token is, and in which form."""
    issued, token = await got(server, request)
    return token.audience, "jwt" if issued.access_token.startswith("eyJ") else "opaque"


async def refused(server: World, request: Asked) -> tuple[No, str]:
    """Why there is no token."""
    with pytest.raises(Refusal) as caught:
        await issue(server.ports, request)
    return caught.value.no, caught.value.description


# ── The grant ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-55")
async def test_the_client_is_the_subject_and_nothing_names_a_person_or_a_grant(server: World) -> None:
    card = await server.machine()

    issued, token = await got(server, asked(card))

    assert (token.subject, token.client_id) == (card["client_id"], card["client_id"])
    assert (token.grant, token.grant_epoch, token.person_epoch, token.cnf) == (None, 0, 0, "")
    assert token.issued_at == server.clock.now
    assert len(token.jti) == 16
    assert (await got(server, asked(card)))[1].jti != token.jti
    assert (issued.refresh_token, issued.id_token) == ("", "")


@meets("A-45", "A-58")
@pytest.mark.parametrize(
    "grant_type, no",
    [
        ("", No.INVALID_REQUEST),
        ("password", No.UNSUPPORTED_GRANT_TYPE),
        ("implicit", No.UNSUPPORTED_GRANT_TYPE),
        ("urn:ietf:params:oauth:grant-type:device_code", No.UNSUPPORTED_GRANT_TYPE),
        ("CLIENT_CREDENTIALS", No.UNSUPPORTED_GRANT_TYPE),
    ],
)
async def test_a_grant_that_is_missing_or_not_served_is_named(server: World, grant_type: str, no: No) -> None:
    card = await server.machine()

    assert (await refused(server, asked(card, grant_type=grant_type)))[0] is no


@meets("A-05", "H-30")
async def test_every_grant_type_that_may_be_registered_is_exchanged_for_something(server: World) -> None:
    assert server.ports.ground.grant_types == tuple(EXCHANGES)


@meets("A-45")
@pytest.mark.parametrize("grant_type", EXCHANGES)
async def test_a_grant_that_is_served_is_no_use_to_a_client_that_did_not_register_it(server: World, grant_type: str) -> None:
    registered = [name for name in EXCHANGES if name != grant_type]
    invitation = await server.invitation(scope="openid", grants=tuple(registered))
    card = await server.register(invitation, grant_types=registered)

    no, why = await refused(server, asked(card, grant_type=grant_type))

    assert (no, why) == (
        No.UNAUTHORIZED_CLIENT,
        f"grant_type: the client is not registered for {grant_type} (RFC 6749 section 5.2)",
    )


@meets("A-45", "A-55")
async def test_a_client_that_is_not_registered_for_the_grant_is_told_so(server: World) -> None:
    confidential = await server.register()
    public = await server.register(token_endpoint_auth_method="none")
    resource = (await server.resource()).information

    told = [
        await refused(server, asked(confidential)),
        await refused(server, asked(public)),
        await refused(server, asked({**resource, "token_endpoint_auth_method": "client_secret_basic"})),
    ]

    assert [no for no, _ in told] == [No.UNAUTHORIZED_CLIENT] * 3


async def test_a_public_client_gets_no_token_of_its_own_whatever_its_card_says(server: World) -> None:
    card = await server.register(token_endpoint_auth_method="none")
    client = await server.row(card)
    more = client.metadata.replace(b'"authorization_code"', b'"client_credentials"')
    assert await server.ports.store.replace(client, structs.replace(client, metadata=more), None)

    assert (await refused(server, asked(card)))[0] is No.UNAUTHORIZED_CLIENT


@pytest.mark.parametrize("grant_type", ["", "password", *EXCHANGES])
async def test_who_asks_is_settled_before_what_they_ask_for(server: World, grant_type: str) -> None:
    card = await server.machine()

    no, _ = await refused(server, asked({**card, "client_secret": "guess"}, "nonsense", "not a URI", grant_type=grant_type))

    assert no is No.INVALID_CLIENT


async def test_a_token_keeps_its_client_from_counting_as_idle(server: World) -> None:
    card = await server.machine()
    server.clock.forward(3 * 86400)

    await issue(server.ports, asked(card))

    assert (await server.row(card)).last_used_day == server.clock.now // 86400


# ── The scope ────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-16")
@pytest.mark.parametrize(
    "wanted, granted",
    [
        ("", "openid orders:read"),
        ("   ", "openid orders:read"),
        ("orders:read", "orders:read"),
        ("  orders:read    openid ", "orders:read openid"),
        ("orders:read orders:read", "orders:read"),
        ("orders:read nonsense orders:write", "orders:read"),
        ("nonsense", "openid orders:read"),
        ("orders:write admin", "openid orders:read"),
    ],
)
async def test_the_scope_is_what_was_asked_for_of_what_is_registered(server: World, wanted: str, granted: str) -> None:
    card = await server.machine("openid orders:read")

    issued, _ = await got(server, asked(card, wanted))

    assert issued.scope == granted


@meets("A-17")
async def test_the_strict_profile_refuses_a_scope_of_which_nothing_is_registered_and_names_the_registered_one(tmp_path: Path) -> None:
    server = await world(tmp_path, profile="strict", scopes=("openid", "orders:read", "orders:write"))
    card = await server.machine("openid orders:read")

    no, why = await refused(server, asked(card, "orders:write admin"))

    assert no is No.INVALID_SCOPE
    assert "the client is registered for: openid orders:read" in why
    assert (await got(server, asked(card, "orders:write orders:read")))[0].scope == "orders:read"


@meets("H-16", "A-17")
async def test_a_client_without_any_scope_gets_a_token_without_one(tmp_path: Path) -> None:
    server = await world(tmp_path, default_scope="")
    await server.resource(ORDERS, "")
    await server.resource(STOCK, "stock:read")
    card = await server.register(
        await server.invitation(scope="", grants=("client_credentials",)), redirect_uris=[], grant_types=["client_credentials"]
    )

    issued, _ = await got(server, asked(card))
    named, token = await got(server, asked(card, "", ORDERS))
    told = await server.introspect(card, named.access_token)

    assert "scope" not in card
    assert (issued.scope, named.scope, token.audience) == ("", "", (ORDERS,))
    assert told.json["active"]
    assert "scope" not in told.json
    assert await refused(server, asked(card, "stock:read")) == (
        No.INVALID_SCOPE,
        "scope: the client is registered for: none (RFC 6749 section 3.3)",
    )
    assert (await refused(server, asked(card, "", STOCK)))[0] is No.INVALID_SCOPE


async def test_a_token_without_a_scope_dies_with_the_clients_right_to_ask(tmp_path: Path) -> None:
    server = await world(tmp_path, default_scope="")
    grants = ("client_credentials", "authorization_code")
    card = await server.register(await server.invitation(scope="", grants=grants), grant_types=list(grants))
    issued, _ = await got(server, asked(card))

    after = await server.replaced(card, grant_types=["authorization_code"])

    assert (await server.introspect(after, issued.access_token)).json == {"active": False}


# ── The audience ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-05", "H-26", "A-51")
async def test_without_resource_servers_any_https_uri_is_the_audience_as_it_was_sent_in_a_signed_token(server: World) -> None:
    card = await server.machine()

    got_one = await audience(server, asked(card, "", "HTTPS://Api.Example/Orders?v=1"))
    got_two = await audience(server, asked(card, "", "https://b.example/", "https://a.example"))

    assert got_one == (("HTTPS://Api.Example/Orders?v=1",), "jwt")
    assert got_two == (("https://b.example/", "https://a.example"), "jwt")


@meets("H-26", "A-51")
async def test_without_a_resource_the_audience_is_our_own_userinfo_in_a_sealed_token(server: World) -> None:
    card = await server.machine()

    assert await audience(server, asked(card)) == ((f"{ISSUER}/userinfo",), "opaque")


@meets("H-05")
@pytest.mark.parametrize(
    "uri",
    [
        "api.example",
        "/orders",
        "urn:example:orders",
        "ftp://api.example",
        "http://api.example",
        "http://127.0.0.1:9000",
        "https://",
        "https:///orders",
        "https://user@api.example",
        "https://user:secret@api.example",
        "https://api.example#part",
        "https://api.example#",
        "https://api.example/a b",
        "https://api.example/%zz",
        "https://api.example/\\x",
        "https://api.example:99999",
        "https://api.example:*",
        "https://[",
        "https://]",
        "https://[::1",
        "https://äpi.example",
        "https://api.example/" + "a" * 2048,
    ],
)
async def test_a_resource_that_is_no_plain_https_uri_is_refused(server: World, uri: str) -> None:
    card = await server.machine()

    assert (await refused(server, asked(card, "", uri)))[0] is No.INVALID_TARGET


@meets("H-05")
@pytest.mark.parametrize(
    "uri",
    [
        ISSUER,
        f"{ISSUER}/",
        f"{ISSUER}/register",
        "HTTPS://AS.Example",
        "https://as.example:443/x",
        "https://as.example./x",
        "https://as.example.:443",
        "https://as.example?x",
    ],
)
async def test_our_own_origin_is_no_resource_however_it_is_spelled(server: World, uri: str) -> None:
    card = await server.machine()

    assert await refused(server, asked(card, "", uri)) == (
        No.INVALID_TARGET,
        "resource: this server itself is not a resource (RFC 8707 section 2)",
    )


@meets("H-05", "H-25")
async def test_a_server_on_loopback_takes_http_resources_on_loopback_and_only_there(tmp_path: Path) -> None:
    server = await world(tmp_path, issuer="http://127.0.0.1:8000")
    card = await server.machine()

    for uri in ("http://127.0.0.1:9000/api", "http://localhost:9000", "http://[::1]:9000/"):
        assert await audience(server, asked(card, "", uri)) == ((uri,), "jwt")
    for uri in ("http://api.example", "http://127.0.0.1.example", "http://127.0.0.1:8000/x", "http://0.0.0.0:9000"):
        assert (await refused(server, asked(card, "", uri)))[0] is No.INVALID_TARGET


@meets("H-05")
async def test_with_resource_servers_only_those_are_known_in_whatever_spelling(server: World) -> None:
    await server.resource("https://api.example", scope="")
    card = await server.machine()

    for uri in ("https://api.example", "https://API.example/", "HTTPS://api.Example"):
        assert (await audience(server, asked(card, "", uri)))[0] == ("https://api.example",)
    for uri in ("https://api.example/orders", "https://api.example?x", "https://other.example", "https://api.example:8443"):
        no, why = await refused(server, asked(card, "", uri))
        assert (no, why) == (No.INVALID_TARGET, f"resource: {uri} is not known here (RFC 8707 section 2)")


async def test_one_resource_in_two_spellings_is_one_audience(server: World) -> None:
    await server.resource("https://api.example", scope="")
    card = await server.machine()

    assert (await audience(server, asked(card, "", "https://api.example", "https://API.example/")))[0] == ("https://api.example",)


@meets("H-26", "A-51")
@pytest.mark.parametrize("form", ["opaque", "jwt"])
async def test_a_resource_server_decides_the_form_of_its_tokens(server: World, form: str) -> None:
    await server.resource(ORDERS, "orders:read", form)
    card = await server.machine("openid orders:read")

    named, by_scope = await audience(server, asked(card, "", ORDERS)), await audience(server, asked(card))

    assert named == by_scope == ((ORDERS,), form)


@meets("A-51")
async def test_without_a_resource_the_scope_finds_those_that_know_it(server: World) -> None:
    await server.resource(ORDERS, "orders:read", "jwt")
    await server.resource(STOCK, "orders:write orders:read", "jwt")
    card = await server.machine("openid orders:read orders:write")

    assert await audience(server, asked(card, "orders:write")) == ((STOCK,), "jwt")
    assert await audience(server, asked(card, "orders:read")) == ((ORDERS, STOCK), "jwt")
    assert await audience(server, asked(card, "openid")) == ((f"{ISSUER}/userinfo",), "opaque")


async def test_a_token_for_several_is_sealed_unless_all_of_them_want_it_signed(server: World) -> None:
    await server.resource(ORDERS, "orders:read", "jwt")
    await server.resource(STOCK, "orders:read", "opaque")
    card = await server.machine("orders:read")

    assert await audience(server, asked(card, "", ORDERS, STOCK)) == ((ORDERS, STOCK), "opaque")
    assert await audience(server, asked(card)) == ((ORDERS, STOCK), "opaque")


async def test_the_scope_is_cut_to_what_the_resource_can_use(server: World) -> None:
    await server.resource(ORDERS, "orders:read orders:write")
    card = await server.machine("openid orders:read")

    issued, _ = await got(server, asked(card, "", ORDERS))

    assert issued.scope == "orders:read"


async def test_a_resource_that_can_use_nothing_of_the_scope_gets_no_token(server: World) -> None:
    await server.resource(ORDERS, "orders:read orders:write")
    card = await server.machine("openid")

    assert (await refused(server, asked(card, "", ORDERS)))[0] is No.INVALID_SCOPE


async def test_a_resource_that_names_no_scopes_takes_them_all(server: World) -> None:
    await server.resource(ORDERS, "")
    card = await server.machine("openid orders:read")

    issued, _ = await got(server, asked(card, "", ORDERS))

    assert issued.scope == "openid orders:read"


async def test_a_request_names_at_most_ten_resources(server: World) -> None:
    card = await server.machine()
    uris = [f"https://api.example/{number}" for number in range(11)]

    assert (await audience(server, asked(card, "", *uris[:10])))[0] == tuple(uris[:10])
    assert await refused(server, asked(card, "", *uris)) == (
        No.INVALID_TARGET,
        "resource: at most 10 with 4096 characters together (RFC 8707 section 2)",
    )
    assert (await refused(server, asked(card, "", *[uris[0]] * 11)))[0] is No.INVALID_TARGET


async def test_the_resources_of_a_request_have_at_most_four_thousand_characters_together(server: World) -> None:
    card = await server.machine()
    long = [f"https://api.example/{number}/".ljust(2048, "a") for number in range(2)]

    assert (await audience(server, asked(card, "", *long)))[0] == tuple(long)
    assert (await refused(server, asked(card, "", *long, "https://b.example")))[0] is No.INVALID_TARGET


@pytest.mark.parametrize("form", ["opaque", "jwt"])
async def test_no_token_is_given_that_would_be_too_long_to_be_read_again(server: World, form: str) -> None:
    for number in range(4):
        await server.resource(f"https://api.example/{number}/".ljust(2000, "a"), "orders:read", form)
    card = await server.machine("orders:read")

    no, why = await refused(server, asked(card))
    issued, _ = await got(server, asked(card, "", "https://api.example/0/".ljust(2000, "a")))

    assert (no, why) == (
        No.INVALID_TARGET,
        "resource: the token would have more than 8192 characters; name fewer (RFC 8707 section 2)",
    )
    assert len(issued.access_token) < seals.ACCESS_TOKEN.longest
    assert (await server.introspect(card, issued.access_token)).json["active"]


# ── The life ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-26")
async def test_a_signed_token_lives_five_minutes_and_a_sealed_one_an_hour(server: World) -> None:
    card = await server.machine()

    signed, _ = await got(server, asked(card, "", "https://api.example"))
    sealed, _ = await got(server, asked(card))

    assert (signed.expires_in, sealed.expires_in) == (300, 3600)


async def test_both_lives_are_settings(tmp_path: Path) -> None:
    server = await world(tmp_path, jwt_lifetime=60, opaque_token_lifetime=120)
    card = await server.machine()

    signed, _ = await got(server, asked(card, "", "https://api.example"))
    sealed, _ = await got(server, asked(card))

    assert (signed.expires_in, sealed.expires_in) == (60, 120)
