"""``calling-card user``: who can sign in."""

import re

import pytest

from calling_card.protocol.events import Event
from calling_card.protocol.persons.people import Passkey
from tests.cli.conftest import Operator
from tests.ledger import meets
from tests.world import World


async def kinds(server: World) -> list[tuple[str, object]]:
    """The events about people, and who caused them."""
    names = ("person_added", "person_changed", "password_changed")
    return [(name, told["body"]["by"]) for name in names for told in await server.told(name)]


@meets("A-84")
def test_a_password_is_made_and_shown_this_once(operator: Operator) -> None:
    made = operator.told("user", "add", "alice", "--email", "alice@example.com", "--full-name", "Alice Example")

    (row,) = operator.rows("user", "list")
    assert re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){5}", made["password"])
    assert row == {
        "name": "alice",
        "sub": made["sub"],
        "role": "none",
        "active": True,
        "email": "alice@example.com",
        "created_at": row["created_at"],
    }
    assert operator.inside(kinds) == [("person_added", "olga")]


def test_a_password_from_standard_input_is_not_printed(operator: Operator) -> None:
    result = operator.typed("correct horse battery\nsecond line\n", "user", "add", "bob", "--password-stdin", "--role", "operator")

    async def fits(server: World) -> list[bool]:
        person = await server.ports.store.person_named("bob")
        assert person is not None
        return [await server.ports.passwords.fits(person.password, text) for text in ("correct horse battery", "second line")]

    assert result.exit_code == 0
    assert "correct" not in result.output
    assert re.fullmatch(r"name +bob\nsub +\S{22}\nrole +operator\n", result.stdout)
    assert operator.inside(fits) == [True, False]


def test_no_password_on_standard_input_is_a_mistake_of_usage(operator: Operator) -> None:
    result = operator.typed("", "user", "add", "bob", "--password-stdin")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "--password-stdin: standard input holds no password" in result.stderr
    assert operator.rows("user", "list") == []


@pytest.mark.parametrize("name", ["", "-", "a b", "é", "a" * 101, "<b>", "a\n"])
def test_a_name_that_cannot_be_typed_is_refused(operator: Operator, name: str) -> None:
    why = operator.refused(1, "user", "add", name)

    assert why == "name: 1 to 100 letters, digits and . _ @ + -, beginning with a letter or digit"


def test_a_name_is_taken_in_any_mix_of_upper_and_lower_case(operator: Operator) -> None:
    operator.told("user", "add", "Alice")

    assert operator.refused(1, "user", "add", "aLICE") == "name: aLICE is taken"


@pytest.mark.parametrize("password", ["short12", "x" * 257])
def test_a_password_that_is_too_short_or_too_long_is_refused(operator: Operator, password: str) -> None:
    operator.told("user", "add", "alice")

    added = operator.typed(password, "user", "add", "bob", "--password-stdin")
    reset = operator.typed(password, "user", "reset", "alice", "--password-stdin")

    assert added.exit_code == reset.exit_code == 1
    assert added.stderr == reset.stderr == "calling-card: password: must have 8 to 256 characters\n"


def test_who_is_disabled_comes_back_by_name_only(operator: Operator) -> None:
    operator.told("user", "add", "alice")

    assert operator.people("user", "disable", "ALICE") == "alice is disabled"
    assert operator.told("user", "disable", "alice")["active"] is False
    assert operator.people("user", "list").split()[2] == "disabled"
    assert operator.people("user", "enable", "alice") == "alice is active"
    assert operator.inside(kinds) == [("person_added", "olga"), ("person_changed", "olga"), ("person_changed", "olga")]


def test_a_reset_password_is_another_one(operator: Operator) -> None:
    first = operator.told("user", "add", "alice")

    second = operator.told("user", "reset", "alice")

    assert set(second) == {"name", "password"}
    assert second["password"] != first["password"]
    assert operator.inside(kinds) == [("person_added", "olga"), ("password_changed", "olga")]


def test_a_reset_forgets_passkeys_where_that_is_asked_for(operator: Operator) -> None:
    operator.told("user", "add", "alice")

    async def with_a_passkey(server: World) -> int:
        person = await server.ports.store.person_named("alice")
        assert person is not None
        passkey = Passkey(person.id, b"credential", b"key", 0, "phone", server.ports.now(), 0)
        await server.ports.store.add_passkey(passkey, Event("passkey_added", server.ports.now(), b"", "person"))
        return len(await server.ports.store.passkeys(person.id))

    async def left(server: World) -> int:
        person = await server.ports.store.person_named("alice")
        assert person is not None
        return len(await server.ports.store.passkeys(person.id))

    assert operator.inside(with_a_passkey) == 1
    operator.told("user", "reset", "alice")
    assert operator.inside(left) == 1
    operator.told("user", "reset", "alice", "--passkeys")
    assert operator.inside(left) == 0


@pytest.mark.parametrize("command", ["disable", "enable", "reset"])
def test_nobody_of_that_name_is_said_so(operator: Operator, command: str) -> None:
    assert operator.refused(1, "user", command, "nobody\x1b[31m") == "name: there is no person nobody\\x1b[31m"


def test_an_empty_list_says_how_to_begin(operator: Operator) -> None:
    assert operator.people("user", "list") == "nobody yet; calling-card user add NAME"
