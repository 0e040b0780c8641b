"""What a client may say of itself, value by value, and what is not heard (RFC 7591 §2)."""

from pathlib import Path

import pytest

from calling_card.protocol.clients import Door, Tier
from tests.ledger import meets
from tests.world import CALLBACK, World, changed, world


@pytest.fixture
async def server(tmp_path: Path) -> World:
    return await world(tmp_path)


# ── Values: types, emptiness, spelling, limits ───────────────────────────────────────────────────────────────────────


@meets("R-05")
@pytest.mark.parametrize("body", [{}, {"redirect_uris": []}, {"redirect_uris": None, "client_name": "A"}])
async def test_a_client_that_redirects_must_say_where_to(server: World, body: dict[str, object]) -> None:
    reply = await server.post_json("/register", body)

    assert reply.no == (400, "invalid_redirect_uri")
    assert reply.why == "redirect_uris: at least one is needed with the grant types authorization_code (RFC 7591 section 2)"


@meets("R-05", "R-15")
async def test_a_client_without_a_redirect_grant_needs_no_redirect(server: World) -> None:
    card = await server.machine()

    assert (card["redirect_uris"], card["response_types"], card["grant_types"]) == ([], [], ["client_credentials"])


@meets("R-09", "R-59", "X-63")
@pytest.mark.parametrize("value", ["1.0", '"1"', "true", "-1", "-0", "1e2", "9007199254740993", "2147483648", "[1]", "{}"])
async def test_an_integer_is_nothing_but_an_integer_in_range(server: World, value: str) -> None:
    body = b'{"redirect_uris":["https://a.example/cb"],"default_max_age":' + value.encode() + b"}"

    reply = await server.call("POST", "/register", body, {"content-type": "application/json"})

    assert reply.no == (400, "invalid_client_metadata")
    assert reply.why.startswith("default_max_age: must be an integer")


@meets("R-04", "X-63")
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "1" * 30, "01", "+1", ".5", "0x10"])
async def test_a_number_that_not_every_reader_can_hold_is_no_json_here(server: World, value: str) -> None:
    body = b'{"redirect_uris":["https://a.example/cb"],"default_max_age":' + value.encode() + b"}"

    reply = await server.call("POST", "/register", body, {"content-type": "application/json"})

    assert reply.no == (400, "invalid_request")
    assert await server.kinds() == ["key_rotated"]


@meets("R-59", "R-09")
@pytest.mark.parametrize(
    "member, value",
    [
        ("client_name", 1),
        ("client_name", ["A"]),
        ("client_uri", {"href": "https://a.example"}),
        ("require_auth_time", "true"),
        ("require_auth_time", 1),
        ("grant_types", "authorization_code"),
        ("response_types", ["code", 1]),
        ("scope", ["openid"]),
        ("contacts", "a@a.example"),
        ("jwks", []),
        ("token_endpoint_auth_method", ["none"]),
        ("client_name#fr", 1),
    ],
)
async def test_a_value_of_another_type_is_refused_and_never_read_as_the_right_one(server: World, member: str, value: object) -> None:
    code, why = await server.refusal(**{member: value})

    assert code == "invalid_client_metadata"
    assert why.startswith(f"{member}: must be ")


@meets("R-59", "C-15")
@pytest.mark.parametrize("value", ["https://a.example/cb", [1], [["https://a.example/cb"]], [None], [""], {}])
async def test_redirect_uris_of_another_type_are_a_problem_of_redirect_uris(server: World, value: object) -> None:
    code, why = await server.refusal(redirect_uris=value)

    assert code == "invalid_redirect_uri"
    assert why.startswith("redirect_uris: must be an array of strings")


@meets("R-10", "C-11")
async def test_null_means_not_sent(server: World) -> None:
    silent = await server.register()

    card = await server.register(client_name=None, scope=None, grant_types=None, client_id=None, jwks=None, **{"tos_uri#fr": None})

    assert set(card) == set(silent)
    assert [card[name] for name in ("scope", "grant_types")] == [silent[name] for name in ("scope", "grant_types")]


@meets("R-11", "H-06")
@pytest.mark.parametrize("member", ["client_name", "client_uri", "scope", "token_endpoint_auth_method", "software_id", "client_name#fr"])
async def test_an_empty_string_is_not_sent_or_in_the_strict_profile_refused(server: World, tmp_path: Path, member: str) -> None:
    strict = await world(tmp_path / "strict", profile="strict")

    card = await server.register(**{member: ""})
    code, why = await strict.refusal(**{member: ""})

    assert card.get(member) != ""
    assert (code, why.partition(" (")[0]) == ("invalid_client_metadata", f"{member}: must not be empty; leave it out")


@meets("R-12")
async def test_of_equal_elements_the_first_stays(server: World) -> None:
    card = await server.register(
        redirect_uris=["https://a.example/2", "https://a.example/1", "https://a.example/2"],
        grant_types=["refresh_token", "authorization_code", "refresh_token"],
        contacts=["b@a.example", "a@a.example", "b@a.example"],
    )

    assert card["redirect_uris"] == ["https://a.example/2", "https://a.example/1"]
    assert card["grant_types"] == ["refresh_token", "authorization_code"]
    assert card["contacts"] == ["b@a.example", "a@a.example"]


@meets("R-12")
async def test_an_empty_list_is_not_sent_but_for_lists_of_addresses(server: World) -> None:
    card = await server.register(grant_types=[], response_types=[], contacts=[], post_logout_redirect_uris=[], request_uris=[])

    assert (card["grant_types"], card["response_types"]) == (["authorization_code"], ["code"])
    assert (card["post_logout_redirect_uris"], card["request_uris"]) == ([], [])
    assert "contacts" not in card


@meets("R-13")
async def test_names_of_members_are_case_sensitive(server: World) -> None:
    reply = await server.post_json("/register", {"Redirect_URIs": [CALLBACK]})
    card = await server.register(Client_Name="A")

    assert reply.no == (400, "invalid_redirect_uri")
    assert not {"Client_Name", "client_name"} & set(card)


@meets("R-14")
async def test_texts_are_kept_code_point_by_code_point(server: World) -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"

    one = await server.register(client_name=composed, software_id=composed)
    other = await server.register(client_name=decomposed, software_id=decomposed)

    assert (one["client_name"], other["client_name"]) == (composed, decomposed)
    assert (await server.read(other)).json["software_id"] == decomposed != composed


@meets("R-15", "X-60")
@pytest.mark.parametrize(
    "members, code",
    [
        ({"redirect_uris": [f"https://a.example/{n}" for n in range(21)]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example/" + "a" * 2048]}, "invalid_redirect_uri"),
        ({"client_uri": "https://app.example/" + "a" * 2048}, "invalid_client_metadata"),
        ({"client_name": "a" * 257}, "invalid_client_metadata"),
        ({"contacts": [f"a{n}@a.example" for n in range(11)]}, "invalid_client_metadata"),
        ({"jwks": {"keys": [{"kty": "EC", "kid": str(n)} for n in range(21)]}}, "invalid_client_metadata"),
        ({f"client_name#x-{n}": "a" for n in range(51)}, "invalid_client_metadata"),
    ],
)
async def test_what_is_longer_than_the_limit_is_refused_by_name(server: World, members: dict[str, object], code: str) -> None:
    said, why = await server.refusal(**members)

    assert said == code
    assert why.startswith(next(iter(members)).partition("#")[0])


@meets("R-15", "R-04", "X-60")
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b"{" + b",".join(b'"m%d":1' % n for n in range(1_000_000)) + b"}",
        b'{"a":' + b"1" * 10_000_000 + b"}",
        b'{"' + b"k" * 10_000_000 + b'":1,' * 201 + b'"a":1}',
    ],
    ids=["deep", "nine levels", "wide", "long number", "long name"],
)
async def test_a_body_made_to_be_expensive_is_refused_before_it_is_built(tmp_path: Path, body: bytes) -> None:
    with changed(await world(tmp_path), body_limit=3_000_000_000) as server:
        reply = await server.call("POST", "/register", body, {"content-type": "application/json"})

    assert reply.no == (400, "invalid_request")
    assert len(reply.body) < 400


@meets("R-15")
async def test_two_hundred_members_are_read_and_one_more_is_not(server: World) -> None:
    most = {"redirect_uris": [CALLBACK], **{f"m{n}": n for n in range(199)}}

    assert (await server.post_json("/register", most)).status == 201
    assert (await server.post_json("/register", {**most, "m": 0})).no == (400, "invalid_request")


@meets("R-04", "X-61", "X-62")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[]",
        b'"text"',
        b"7",
        b"null",
        b"true",
        b"{",
        b"{}x",
        b"{} {}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"client_name":"A","client_name":"B"}',
        b'{"vp_formats_supported":{"a":{"b":1,"b":2}}}',
        b'{"client_name":"A","\\u0063lient_name":"B"}',
        b'{"client_name":"\xff"}',
        b'{"client_name":"\xed\xa0\x80"}',
        b'{"client_name":"\\ud800"}',
        b'{"client_name":"\\udc00\\ud800"}',
        b'{"client_name":"a\\u0000"}',
        b'{"client_name":"a\x00"}',
        b'{"client_name":"a\nb"}',
        b"\xef\xbb\xbf{}",
        '{"client_name":"A"}'.encode("utf-16"),
        '{"client_name":"A"}'.encode("utf-16-le"),
        '{"client_name":"A"}'.encode("utf-32"),
    ],
)
async def test_a_body_that_two_readers_could_understand_differently_is_refused(server: World, body: bytes) -> None:
    reply = await server.call("POST", "/register", body, {"content-type": "application/json"})

    assert reply.no == (400, "invalid_request")
    assert reply.why.startswith("the body ")
    assert await server.kinds() == ["key_rotated"]


@meets("R-16", "H-07")
@pytest.mark.parametrize(
    "said, grants, types",
    [
        ({"grant_types": ["authorization_code"], "response_types": ["code", "id_token"]}, ["authorization_code"], ["code"]),
        ({"grant_types": ["authorization_code", "implicit"]}, ["authorization_code"], ["code"]),
        ({"response_types": ["code"]}, ["authorization_code"], ["code"]),
        ({"grant_types": ["authorization_code", "refresh_token"]}, ["authorization_code", "refresh_token"], ["code"]),
    ],
)
async def test_grants_and_response_types_are_narrowed_to_what_fits_and_one_follows_from_the_other(
    server: World, said: dict[str, object], grants: list[str], types: list[str]
) -> None:
    card = await server.register(**said)

    assert (card["grant_types"], card["response_types"]) == (grants, types)


@meets("R-16", "H-07")
@pytest.mark.parametrize("profile", ["lenient", "strict"])
@pytest.mark.parametrize(
    "said",
    [
        {"grant_types": ["implicit"], "response_types": ["code"]},
        {"grant_types": ["refresh_token"]},
        {"grant_types": ["password"]},
        {"response_types": ["token"]},
    ],
)
async def test_lists_with_nothing_in_common_are_refused_in_both_profiles(tmp_path: Path, profile: str, said: dict[str, object]) -> None:
    server = await world(tmp_path, profile=profile)

    code, why = await server.refusal(**said)

    assert code == "invalid_client_metadata"
    assert next(iter(said)) in why


@meets("R-16", "H-07", "H-30")
@pytest.mark.parametrize(
    "said, named",
    [
        ({"grant_types": ["authorization_code", "implicit"]}, "grant_types"),
        ({"grant_types": ["authorization_code"], "response_types": ["code", "id_token"]}, "response_types"),
        ({"frontchannel_logout_session_required": True}, "frontchannel_logout_session_required"),
        ({"token_endpoint_auth_signing_alg": "RS256"}, "token_endpoint_auth_signing_alg"),
    ],
)
async def test_the_strict_profile_refuses_what_the_lenient_one_narrows(
    server: World, tmp_path: Path, said: dict[str, object], named: str
) -> None:
    strict = await world(tmp_path / "strict", profile="strict")

    card = await server.register(**said)
    code, why = await strict.refusal(**said)

    assert card.get(named) != said.get(named)
    assert code == "invalid_client_metadata"
    assert named in why


@meets("H-30")
@pytest.mark.parametrize(
    "member, value",
    [
        ("token_endpoint_auth_method", "tls_client_auth"),
        ("token_endpoint_auth_method", "self_signed_tls_client_auth"),
        ("dpop_bound_access_tokens", True),
        ("tls_client_certificate_bound_access_tokens", True),
        ("require_pushed_authorization_requests", True),
        ("require_signed_request_object", True),
        ("id_token_encrypted_response_alg", "RSA-OAEP"),
        ("userinfo_encrypted_response_alg", "RSA-OAEP"),
    ],
)
async def test_protection_that_is_not_served_is_refused_by_name_and_never_left_out(server: World, member: str, value: object) -> None:
    code, why = await server.refusal(**{member: value})

    assert code == "invalid_client_metadata"
    assert why.startswith(f"{member}: ")
    assert "does not serve" in why or "serves nothing of the kind" in why


# ── Unknown members and extensions ───────────────────────────────────────────────────────────────────────────────────


@meets("R-58", "C-06", "H-17")
@pytest.mark.parametrize("value", ["green", 1, None, [], {"a": [1]}])
async def test_an_unknown_member_is_neither_kept_nor_returned(server: World, value: object) -> None:
    card = await server.register(favourite_colour=value)

    assert "favourite_colour" not in card
    assert b"favourite" not in (await server.row(card)).metadata


@meets("R-58")
async def test_a_closed_deployment_refuses_unknown_members(tmp_path: Path) -> None:
    server = await world(tmp_path, unknown_members="refuse")

    code, why = await server.refusal(favourite_colour="green")

    assert (code, why) == ("invalid_client_metadata", "favourite_colour: is not a member this server knows (RFC 7591 section 2)")


@meets("C-06", "H-17")
async def test_an_extension_member_that_the_operator_lists_is_kept_in_every_language(tmp_path: Path) -> None:
    server = await world(tmp_path, extensions=("colour",))

    card = await server.register(colour={"r": [1, 2.5, None]}, other="x", **{"colour#fr": "vert"})

    assert (card["colour"], card["colour#fr"]) == ({"r": [1, 2.5, None]}, "vert")
    assert "other" not in card
    assert (await server.read(card)).json["colour"] == {"r": [1, 2.5, None]}


@meets("H-17")
async def test_development_keeps_every_extension_up_to_four_kilobytes(tmp_path: Path) -> None:
    server = await world(tmp_path, dev=True, issuer="http://127.0.0.1:8000")

    card = await server.register(anything="x" * 4094)
    code, why = await server.refusal(anything="x" * 4095)

    assert card["anything"] == "x" * 4094
    assert (code, why) == ("invalid_client_metadata", "anything: is longer than 4096 bytes (RFC 7591 section 2)")


@meets("X-64")
@pytest.mark.parametrize("name", ["__proto__", "constructor", "{{7*7}}", "${7*7}", "$where", "%s", "a' OR 1=1", "<b>"])
async def test_a_name_that_a_template_or_prototype_would_react_to_is_stored_nowhere(server: World, name: str) -> None:
    card = await server.register(**{name: {"admin": True}, f"{name}#fr": "x"})

    assert not [member for member in card if name in member]
    assert b"admin" not in (await server.row(card)).metadata
    assert not any("admin" in event.content.decode() for event in await server.recorded())


@meets("X-30")
async def test_members_that_only_operators_set_cannot_be_sent(server: World) -> None:
    inside = {"trusted": True, "disabled": False, "owner": "admin", "policy": "internal", "first_party": True, "state": "active", "tier": 4}

    card = await server.register(**inside)

    client = await server.row(card)
    assert not set(inside) & set(card)
    assert (client.owner, client.tier, client.door) == ("", Tier.ANONYMOUS, Door.RFC7591)


@pytest.mark.parametrize("stored", [True, False])
async def test_members_without_effect_here_are_kept_by_setting(tmp_path: Path, stored: bool) -> None:
    server = await world(tmp_path, store_inert_metadata=stored)

    card = await server.register(nfv_token_signed_response_alg="ES256")

    assert ("nfv_token_signed_response_alg" in card) == stored


@pytest.mark.parametrize("setting, status", [("refuse", 400), ("ignore", 201)])
async def test_a_malformed_language_tag_is_refused_or_ignored_by_setting(tmp_path: Path, setting: str, status: int) -> None:
    server = await world(tmp_path, bad_language_tags=setting)

    said, body = await server.tried(**{"client_name#not_a_tag": "A"})

    assert said == status
    assert "client_name#not_a_tag" not in body


@pytest.mark.parametrize("setting, status, warned", [("off", 201, False), ("warn", 201, True), ("enforce", 400, False)])
async def test_a_shown_link_on_another_host_is_ignored_warned_of_or_refused(
    tmp_path: Path, setting: str, status: int, warned: bool
) -> None:
    server = await world(tmp_path, related_hosts=setting)

    said, _ = await server.tried(tos_uri="https://elsewhere.example/tos")

    warnings = [event["body"].get("warnings", []) for event in await server.told("client_registered")]
    assert said == status
    assert any("tos_uri" in text for texts in warnings for text in texts) == warned
