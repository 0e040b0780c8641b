"""Out of one server and into an empty one: equal clients, which still prove who they are."""

from pathlib import Path
from shutil import copy

import pytest

from calling_card import __version__
from calling_card.protocol.moving.arrivals import Unmovable
from calling_card.protocol.moving.lines import SORTS, check_header
from calling_card.protocol.persons.people import Role
from calling_card.usecases.moving import Way, export, take
from calling_card.usecases.people.operate import Wanted, add
from tests.world import World, beside, changed, world

WAY = Way("olga", "export")


async def exported(server: World, *, passwords: bool = False) -> list[bytes]:
    return [line async for line in export(server.ports, SORTS, __version__, passwords=passwords)]


async def a_busy_server(folder: Path) -> World:
    server = await world(folder, sqlite=True)
    await server.resource()
    await server.register(client_name="Notes", **{"client_name#ja": "メモ"})
    await server.machine()
    await add(server.ports, Wanted("maria", "correct horse battery", {"email": "maria@example.com"}, Role.NONE, "olga"))
    return server


async def an_empty_one(like: World, folder: Path) -> World:
    """With the same keyring."""
    folder.mkdir()
    copy(folder.parent / "here" / "keyring.json", folder / "keyring.json")
    return await beside(like, folder, b"there")


@pytest.fixture
async def here(tmp_path: Path) -> World:
    return await a_busy_server(tmp_path / "here")


@pytest.fixture
async def there(here: World, tmp_path: Path) -> World:
    return await an_empty_one(here, tmp_path / "there")


async def brought(server: World, lines: list[bytes], way: Way = WAY) -> list[str]:
    """What became of every line behind the header."""
    check_header(lines[0], server.ports.settings.issuer, server.ports.keyring)
    return [(await take(server.ports, line, way)).did for line in lines[1:]]


async def test_an_empty_server_with_the_same_keyring_becomes_equal_and_its_clients_prove_who_they_are(here: World, there: World) -> None:
    card, machine = await here.register(client_name="Notes"), await here.machine()
    server = await here.resource("https://other.example")

    done = await brought(there, await exported(here, passwords=True))

    assert set(done) == {"new"}
    assert await there.ports.store.clients("", 100) == await here.ports.store.clients("", 100)
    assert await there.ports.store.people("", 100) == await here.ports.store.people("", 100)
    assert await there.ports.store.invitations(b"", 100) == await here.ports.store.invitations(b"", 100)
    assert await there.ports.store.resources() == await here.ports.store.resources()
    assert (await there.read(card)).status == 200
    assert (token := await there.token(machine)).status == 200
    assert (await there.introspect(server.information, token.json["access_token"])).status == 200


async def test_an_export_of_the_same_data_is_the_same_file(here: World, there: World) -> None:
    lines = await exported(here, passwords=True)

    await brought(there, lines)

    assert await exported(here, passwords=True) == lines == await exported(there, passwords=True)


async def test_an_import_once_more_changes_nothing(here: World, there: World) -> None:
    lines = await exported(here)
    await brought(there, lines)
    before = await there.kept()

    done = await brought(there, lines)

    assert set(done) == {"same"}
    assert await there.kept() == before


async def test_an_export_holds_no_secret_and_passwords_only_when_asked_for(here: World) -> None:
    card = await here.machine()

    plain, full = b"\n".join(await exported(here)), b"\n".join(await exported(here, passwords=True))

    assert card["client_secret"].encode() not in full
    assert card["registration_access_token"].encode() not in full
    hashed = [one.password for one in await here.ports.store.people("", 10) if one.password]
    assert all(one.encode() in full and one.encode() not in plain for one in hashed)
    assert hashed


async def test_a_client_that_differs_is_refused_until_it_is_to_be_replaced(here: World, there: World) -> None:
    card = await here.register(client_name="Before")
    await brought(there, await exported(here))
    card = await here.replaced(card, client_name="After")

    refused = await brought(there, await exported(here))
    replaced = await brought(there, await exported(here), Way("olga", "export", replace=True))

    assert (refused.count("refused"), replaced.count("replaced")) == (1, 1)
    assert (await there.read(card)).json["client_name"] == "After"
    [event] = (await there.told("client_imported"))[-1:]
    assert (event["body"]["replaced"], event["body"]["by"]) == (True, "olga")


async def test_a_rehearsal_keeps_nothing(here: World, there: World) -> None:
    before = await there.kept()

    done = await brought(there, await exported(here), Way("olga", "export", dry_run=True))

    assert set(done) == {"new"}
    assert await there.kept() == before


async def test_todays_rules_hold_for_who_comes_in(here: World, there: World) -> None:
    await here.register(client_name="Notes", redirect_uris=["https://app.example/cb"], scope="openid profile")
    lines = await exported(here)

    with changed(there, anonymous_scopes=("openid",)):
        outcomes = [await take(there.ports, line, WAY) for line in lines[1:]]

    assert [one.notes for one in outcomes if one.notes] == [("scope: anonymous clients may have openid",)]


@pytest.mark.parametrize(
    "line, why",
    [
        (b"no json", "the line is no JSON object"),
        (b'{"kind":"client","client_id":"a"}', "a client needs client_id and metadata"),
        (b'{"kind":"invitation","id":1}', "Expected"),
        (b'{"kind":"resource","uri":"https://a.example"}', "client: is missing"),
    ],
)
async def test_a_line_that_is_damaged_is_refused_and_nothing_is_kept(there: World, line: bytes, why: str) -> None:
    before = await there.kept()

    outcome = await take(there.ports, line, WAY)

    assert outcome.did == "refused"
    assert outcome.notes[0].startswith(why)
    assert await there.kept() == before


async def test_an_export_of_another_keyring_or_issuer_is_not_begun(here: World, tmp_path: Path) -> None:
    header = (await exported(here))[0]
    other = await world(tmp_path / "other")

    with pytest.raises(Unmovable, match="the keyring here is another one"):
        check_header(header, other.ports.settings.issuer, other.ports.keyring)
    with pytest.raises(Unmovable, match=r"the export is of the issuer https://as\.example"):
        check_header(header, "https://elsewhere.example", here.ports.keyring)
    with pytest.raises(Unmovable, match="--from"):
        check_header(b"{}", "https://as.example", here.ports.keyring)
