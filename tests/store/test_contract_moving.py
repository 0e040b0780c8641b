"""What every store promises of secrets that clients brought from other servers (CREDENTIALS §1)."""

from msgspec import structs

from calling_card.protocol.clients import Client, Generations
from tests.store.conftest import Pair
from tests.store.examples import a_client, an_event

ROW = Generations(1, 1, 0, 0)


def brought(kept: bytes | None = b"$argon2id$slow") -> Client:
    return structs.replace(a_client(secret=True), secret=ROW, imported=kept)


async def test_a_secret_from_elsewhere_is_kept_as_it_came(pair: Pair) -> None:
    client = brought()

    await pair.here.register(client, an_event(client=client), None)

    assert await pair.there.client(client.key) == client
    assert list(await pair.there.clients("", 10)) == [client]


async def test_it_is_replaced_and_goes(pair: Pair) -> None:
    client = brought()
    await pair.here.register(client, an_event(client=client), None)
    faster = structs.replace(client, imported=b"hmac:fast")

    assert await pair.here.replace(client, faster, an_event("secret_rehashed", client))
    assert await pair.there.client(client.key) == faster
    assert await pair.here.replace(faster, structs.replace(faster, imported=None), an_event("client_rotated", client))
    assert await pair.there.client(client.key) == structs.replace(client, imported=None)


async def test_it_counts_for_no_key_of_ours(pair: Pair) -> None:
    client = structs.replace(brought(), rat=Generations(1, 1, 7, 7))
    await pair.here.register(client, an_event(client=client), None)

    assert await pair.there.generations_by_key() == {7: 1}
