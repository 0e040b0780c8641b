"""Every command: what it prints for people, what as JSON, and how it fails."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from msgspec import structs

from calling_card import __version__
from calling_card.cli import commands
from calling_card.settings import SETTINGS
from tests.cli.conftest import ISSUER, Operator
from tests.ledger import meets
from tests.world import CALLBACK, World


async def a_client(server: World) -> dict[str, Any]:
    """Somebody registers."""
    return await server.register(client_name="Tea – 茶")


async def a_machine(server: World) -> dict[str, Any]:
    """An invited program."""
    return await server.machine()


# ── Help ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command and group."""
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


@pytest.mark.parametrize("words", [(), *every_command(commands)], ids=" ".join)
def test_every_command_explains_itself(operator: Operator, words: tuple[str, ...]) -> None:
    result = operator.say(*words, "--help")

    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")
    assert len(result.stdout.splitlines()[2].strip()) > 10
    assert "\\b" not in result.stdout
    assert operator.say(*words, "-h").stdout == result.stdout


@pytest.mark.parametrize("words", [("serve",), ("invite",), ("resource", "add")], ids=" ".join)
def test_what_takes_options_shows_examples(operator: Operator, words: tuple[str, ...]) -> None:
    shown = operator.say(*words, "--help").stdout

    assert re.search(rf"\n  Examples?:\n    calling-card {' '.join(words)}\b", shown)


def test_the_exit_codes_are_told(operator: Operator) -> None:
    assert "Exit codes: 0 done, 1 refused, 2 usage, 3 unreachable." in operator.say("--help").stdout


def test_the_version_is_told(operator: Operator) -> None:
    assert operator.say("--version").stdout == f"calling-card, version {__version__}\n"


@pytest.mark.parametrize("words", [("fly",), ("client", "fly"), ("invite", "--fly"), ("client", "show"), ("resource", "add")])
def test_what_is_no_command_is_a_mistake_of_usage(operator: Operator, words: tuple[str, ...]) -> None:
    result = operator.say(*words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage:" in result.stderr


# ── Invitations ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_invitation_is_its_token_for_people_and_everything_in_json(operator: Operator) -> None:
    token = operator.people("invite")
    told = operator.told("invite", "--uses", "3", "--expires", "never", "--label", "warehouse")

    assert token.startswith("cc_iat_")
    assert set(told) == {"initial_access_token", "id", "uses", "expires_at"}
    assert (told["uses"], told["expires_at"], len(told["id"])) == (3, 0, 32)


def test_an_invitation_lets_in_whom_it_names_as_often_as_it_says(operator: Operator) -> None:
    told = operator.told("invite", "--grant", "client_credentials", "--scope", "openid", "--redirect-host", "app.example")
    body = {"redirect_uris": [CALLBACK], "grant_types": ["client_credentials"], "scope": "openid profile"}

    async def tries(server: World) -> list[tuple[int, str]]:
        replies = [await server.post_json("/register", body, told["initial_access_token"]) for _ in range(2)]
        return [(reply.status, reply.json.get("scope", "")) for reply in replies]

    assert operator.inside(tries) == [(201, "openid"), (401, "")]


@pytest.mark.parametrize("expires, seconds", [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("3d", 259200)])
def test_a_life_is_a_number_with_a_unit(operator: Operator, expires: str, seconds: int) -> None:
    at = operator.told("invite", "--expires", expires)["expires_at"]
    [created] = [line for line in exported(operator) if line["kind"] == "initial_access_token_created"]

    assert at - created["at"] == seconds


@pytest.mark.parametrize(
    "option",
    [
        ("--expires", "soon"),
        ("--expires", "0d"),
        ("--expires", "-1d"),
        ("--expires", "36526d"),
        ("--expires", "99999999999999999999d"),
        ("--expires", "\u0663d"),
        ("--uses", "0"),
        ("--uses", "many"),
        ("--uses", "99999999999999999999"),
        ("--label", "a\x1b[2Jb"),
        ("--label", "two\nlines"),
        ("--label", "\u202ea"),
        ("--label", "a" * 201),
    ],
    ids=ascii,
)
def test_an_invitation_that_cannot_be_is_a_mistake_of_usage(operator: Operator, option: tuple[str, str]) -> None:
    assert operator.run("invite", *option).exit_code == 2


@pytest.mark.parametrize(
    "option, word",
    [
        (("--grant", "password"), "password"),
        (("--scope", "nonsense"), "resource add"),
        (("--grant", "client_credentials"), "scope: must be named"),
    ],
)
def test_an_invitation_for_what_is_not_known_is_refused_with_the_way_out(operator: Operator, option: tuple[str, str], word: str) -> None:
    assert word in operator.refused(1, "invite", *option)


# ── Resource servers ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_resource_server_is_added_with_its_credential_and_listed_without(operator: Operator) -> None:
    told = operator.told("resource", "add", "https://API.example/", "--scopes", "a b a", "--tokens", "jwt", "--name", "Orders")
    people = operator.people("resource", "add", "https://b.example")
    listed = operator.rows("resource", "list")

    assert {name: told[name] for name in ("resource", "tokens", "scope")} == {
        "resource": "https://api.example",
        "tokens": "jwt",
        "scope": "a b",
    }
    assert told["client_secret"].startswith("cc_secret_")
    assert [line.split()[0] for line in people.splitlines()] == ["resource", "tokens", "scope", "client_id", "client_secret"]
    assert [row["resource"] for row in listed] == ["https://api.example", "https://b.example"]
    assert "cc_secret_" not in json.dumps(listed) + operator.people("resource", "list")
    assert operator.people("resource", "list").splitlines()[0].startswith("https://api.example  jwt  r")


@pytest.mark.parametrize("uri", ["api", "http://api.example", ISSUER, f"{ISSUER}/x", "https://api.example#x"])
def test_a_resource_that_cannot_be_is_refused(operator: Operator, uri: str) -> None:
    assert operator.refused(1, "resource", "add", uri).startswith("resource: ")


def test_a_resource_that_is_there_is_refused_with_the_way_out(operator: Operator) -> None:
    operator.told("resource", "add", "https://api.example")

    assert "calling-card resource list" in operator.refused(1, "resource", "add", "https://API.example")


@meets("X-56")
@pytest.mark.parametrize("option", [("--name", "Or\x1b[2Jders"), ("--name", "two\nlines"), ("--scopes", "orders:\x1b")], ids=ascii)
def test_a_resource_server_is_described_in_plain_text(operator: Operator, option: tuple[str, str]) -> None:
    assert operator.refused(1, "resource", "add", "https://api.example", *option).startswith(option[0].removeprefix("--"))


# ── Clients ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-86")
def test_the_list_says_how_each_client_came_to_be(operator: Operator) -> None:
    operator.inside(a_client)
    operator.inside(a_machine)
    operator.told("resource", "add", "https://api.example")

    rows = operator.rows("client", "list")

    assert sorted((row["created_by"], row["client_type"], row["state"], row["door"]) for row in rows) == [
        ("admin", "confidential", "active", "admin"),
        ("anonymous", "confidential", "active", "rfc7591"),
        ("iat", "confidential", "active", "rfc7591"),
    ]
    assert len({tuple(sorted(row)) for row in rows}) == 1


def test_the_list_goes_on_behind_the_last_one_shown(operator: Operator) -> None:
    names = sorted(operator.inside(a_client)["client_id"] for _ in range(3))

    first = operator.rows("client", "list", "--limit", "2")
    rest = operator.rows("client", "list", "--after", first[-1]["client_id"])

    assert [row["client_id"] for row in [*first, *rest]] == names
    assert operator.people("client", "list").splitlines()[0].split("  ") == [names[0], "active", "confidential", "anonymous", "Tea – 茶"]


def test_a_client_is_shown_with_its_card_and_without_its_credentials(operator: Operator) -> None:
    card = operator.inside(a_client)

    told = operator.told("client", "show", card["client_id"])

    assert told["metadata"]["redirect_uris"] == [CALLBACK]
    assert (told["client_name"], told["state"]) == ("Tea – 茶", "active")
    assert json.loads(operator.people("client", "show", card["client_id"])) == told
    assert not [credential for credential in ("client_secret", "registration_access_token") if card[credential] in json.dumps(told)]


@meets("X-56")
def test_a_name_can_neither_move_the_cursor_nor_begin_a_line_nor_hide(operator: Operator) -> None:
    async def write(server: World) -> str:
        card = await server.register()
        row = await server.row(card)
        metadata = row.metadata.replace(
            b'"redirect_uris"', '"client_name":"a\\u001b[2J\\nb\u009b\u202ec\U000e0041","redirect_uris"'.encode()
        )
        assert await server.ports.store.replace(row, structs.replace(row, metadata=metadata, epoch=row.epoch + 1), None)
        return str(card["client_id"])

    name = operator.inside(write)
    shown = operator.people("client", "list"), operator.run("client", "list", "--json").output, operator.people("client", "show", name)

    assert operator.rows("client", "list")[0]["client_name"] == "a\x1b[2J\nb\x9b\u202ec\U000e0041"
    assert shown[0].splitlines()[0].endswith("  a\\u001b[2J\\u000ab\\u009b\\u202ec\\udb40\\udc41")
    assert all(char.isprintable() or char == "\n" for text in shown for char in text)
    assert json.loads(shown[2])["client_name"] == "a\x1b[2J\nb\x9b\u202ec\U000e0041"


def test_a_client_is_stopped_and_let_go_on(operator: Operator) -> None:
    name = operator.inside(a_client)["client_id"]

    assert operator.people("client", "suspend", name) == f"{name} is suspended"
    assert operator.told("client", "suspend", name)["state"] == "suspended"
    assert operator.told("client", "show", name)["state"] == "suspended"
    assert operator.people("client", "resume", name) == f"{name} is active"
    assert operator.told("client", "resume", name)["state"] == "active"


def test_a_client_is_deleted_once(operator: Operator) -> None:
    one, other = operator.inside(a_client)["client_id"], operator.inside(a_client)["client_id"]

    assert operator.people("client", "delete", one) == f"{one} is gone"
    assert operator.told("client", "delete", other) == {"client_id": other, "state": "deleted"}
    assert operator.rows("client", "list") == []
    assert operator.refused(1, "client", "delete", one) == f"there is no client {one}"


@pytest.mark.parametrize("now", [(), ("--now",)])
def test_a_client_gets_new_credentials_that_work(operator: Operator, now: tuple[str, ...]) -> None:
    card = operator.inside(a_machine)

    told = operator.told("client", "rotate", card["client_id"], *now)

    async def asks(server: World) -> list[int]:
        with_old, with_new = await server.token(card), await server.token({**card, **told})
        return [with_old.status, with_new.status, (await server.token(card)).status]

    assert told["client_secret"] != card["client_secret"]
    assert told["registration_access_token"] != card["registration_access_token"]
    assert operator.inside(asks) == [401 if now else 200, 200, 401]
    assert "cc_secret_" in operator.people("client", "rotate", card["client_id"])


@pytest.mark.parametrize("verb", ["show", "suspend", "resume", "delete", "rotate"])
def test_a_client_that_is_not_there_is_named(operator: Operator, verb: str) -> None:
    assert operator.refused(1, "client", verb, "c123") == "there is no client c123"


# ── The audit trail ──────────────────────────────────────────────────────────────────────────────────────────────────


def exported(operator: Operator) -> list[dict[str, Any]]:
    """The audit trail, a line an event."""
    return [json.loads(line) for line in operator.people("audit", "export").splitlines()]


def test_who_did_what_is_in_the_audit_trail(operator: Operator) -> None:
    name = operator.inside(a_client)["client_id"]
    operator.told("client", "suspend", name)
    operator.told("client", "delete", name)

    lines = exported(operator)

    kinds = [line["kind"] for line in lines]
    assert sorted(kinds) == sorted(["key_rotated", "client_registered", "client_suspended", "client_deleted"])
    assert {line["content"]["body"]["by"] for line in lines if line["kind"] in ("client_suspended", "client_deleted")} == {"olga"}
    assert all(set(line) == {"writer", "number", "at", "kind", "client_key", "content", "mac"} for line in lines)


def test_a_trail_that_holds_is_said_to_hold(operator: Operator) -> None:
    operator.inside(a_client)

    told = operator.told("audit", "verify")

    assert told == {"events": 2, "writers": 2, "broken": []}
    assert operator.people("audit", "verify") == "2 events of 2 writers hold"


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_keys_are_listed_and_renewed(operator: Operator) -> None:
    operator.inside(a_client)
    before = operator.rows("keys", "list")

    number = operator.told("keys", "rotate")["key"]
    kids = operator.told("keys", "rotate", "--signing")["keys"]
    after = operator.rows("keys", "list")

    assert [(row["use"], row["state"], row.get("carries")) for row in before] == [
        ("credentials", "minting", 2),
        ("signing", "minting", None),
        ("signing", "minting", None),
    ]
    assert sorted((row["use"], row["state"]) for row in after) == [
        ("credentials", "minting"),
        ("credentials", "verifying"),
        ("signing", "minting"),
        ("signing", "minting"),
        ("signing", "verifying"),
        ("signing", "verifying"),
    ]
    assert {row["key"] for row in after if row["state"] == "minting"} == {number, *kids}
    assert number == 2
    assert operator.people("keys", "rotate") == "key 3 mints from now on"
    prepared = operator.told("keys", "rotate", "--signing", "--prepare")["keys"]
    assert [line[16:] for line in operator.people("keys", "rotate", "--signing", "--prepare").splitlines()] == [
        " is published and will sign later"
    ] * 2
    assert set(operator.told("keys", "rotate", "--signing")["keys"]) == set(prepared)
    assert operator.run("keys", "rotate", "--prepare").exit_code == 2
    assert [line[16:] for line in operator.people("keys", "rotate", "--signing").splitlines()] == [" signs from now on"] * 2
    assert len(operator.people("keys", "list").splitlines()) == 11


# ── Settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_settings_in_force_are_printed(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "calling-card.toml"
    file.write_text('issuer = "https://login.example"\nregistration = "token"\n', encoding="utf-8")

    told = operator.told("config", "print", "--config", str(file))

    assert (told["issuer"], told["registration"], told["data"]) == ("https://login.example", "token", str(operator.data))
    assert set(told) == {row.name for row in SETTINGS}
    assert "registration = 'token'" in operator.people("config", "print", "--config", str(file)).splitlines()


def test_settings_that_can_be_used_are_said_to_be(operator: Operator) -> None:
    assert operator.told("config", "check") == {"ok": True, "issuer": ISSUER}
    assert operator.people("config", "check") == f"these settings can be used; the issuer is {ISSUER}"


def test_the_table_of_settings_is_printed(operator: Operator) -> None:
    told = operator.rows("config", "schema")

    assert [row["name"] for row in told] == [row.name for row in SETTINGS]
    assert "CALLING_CARD_ISSUER" in operator.people("config", "schema")


@pytest.mark.parametrize(
    "content, words",
    [
        ("issuer =", "calling-card.toml"),
        ('colour = "blue"', "there is no setting colour"),
        ('port = "many"', "port: "),
        ('recovery = ["client", "friend"]', "recovery: 'friend' is not one of client, statement, owner"),
        ('registration = "perhaps"', "registration: 'perhaps' is not one of open, token, closed"),
        ('issuer = "http://login.example"', "issuer: http is only for"),
        ('registration_path = "/token"', "registration_path: /token is the path of another endpoint: token"),
        ('registration_path = "/.well-known/openid-configuration"', "is the path of another endpoint: openid-configuration"),
        ('default_grant_types = ["password"]', "default_grant_types: password is not served; served are authorization_code, "),
        ('default_grant_types = ["refresh_token"]', "default_grant_types: must name a grant besides refresh_token"),
    ],
)
def test_settings_that_cannot_be_used_are_a_mistake_of_usage(operator: Operator, tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "calling-card.toml"
    file.write_text(content, encoding="utf-8")

    for command in (("config", "check"), ("invite",), ("client", "list")):
        assert words in operator.refused(2, *command, "--config", str(file))


def test_a_settings_file_that_is_not_there_is_a_mistake_of_usage(operator: Operator, tmp_path: Path) -> None:
    assert operator.refused(2, "config", "check", "--config", str(tmp_path / "none.toml")).endswith("No such file or directory")


def test_a_settings_file_that_is_no_text_is_a_mistake_of_usage(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "calling-card.toml"
    file.write_bytes(b"\xff")

    assert operator.refused(2, "config", "check", "--config", str(file)) == f"{file}: is not UTF-8"
