"""A process that writes until a fault point kills it, saying aloud what was acknowledged; run by the tests of faults."""

import asyncio
import sys
from pathlib import Path

from msgspec import structs

from calling_card.protocol.clients import Client, Route, State
from calling_card.protocol.life.pruning import Pruned, Suspect, horizon
from calling_card.store.sqlite import SqliteStore
from tests.store.examples import (
    CHAIN_KEY,
    NOW,
    Clock,
    a_client,
    a_consent,
    a_grant,
    a_person,
    a_session,
    a_version,
    an_event,
    an_invitation,
)

ANN = a_person("ann")
LATER = NOW // 86_400 + 1
SEEN = horizon(NOW, refresh_lifetime=0, refresh_idle=0, token_lifetime=0)


def say(word: str) -> None:
    """Out of this process before the next statement."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def one(store: SqliteStore, name: str) -> None:
    """Register by invitation, be allowed something, replace; remove every third client. Each step is said when it was acknowledged."""
    client = a_client(name)
    await store.register(client, an_event("client_registered", client), b"t" * 16)
    say(f"{name} registered")
    await store.give(client, a_grant(client, ANN), a_consent(client, ANN), an_event("grant_given", client))
    say(f"{name} given")
    await store.begin_session(a_session(ANN, first_session(name)), None, an_event("signed_in"))
    say(f"{name} signed in")
    await store.begin_session(a_session(ANN, second_session(name)), first_session(name), an_event("signed_in"))
    say(f"{name} signed in anew")
    after = structs.replace(client, metadata=b'{"client_name":"new"}', rat=structs.replace(client.rat, issued=2))
    await store.replace(client, after, an_event("client_replaced", client))
    say(f"{name} replaced")
    if name.endswith(("0", "3", "6", "9")):
        await store.remove(after, an_event("client_deleted", client), NOW + 60)
        say(f"{name} removed")


def an_address(name: str) -> Client:
    return a_client(f"https://{name}.example/", route=Route.CIMD)


async def one_address(store: SqliteStore, name: str) -> None:
    """Be met, be allowed something, be read anew, be allowed it again, be stopped. Each step is said when it was acknowledged."""
    client = an_address(name)
    first, second = a_version(client), a_version(client, 2)
    await store.meet(client, first, an_event("client_met", client))
    say(f"{name} met")
    await store.give(client, a_grant(client, ANN), a_consent(client, ANN), an_event("code_given", client))
    say(f"{name} given")
    became = structs.replace(client, metadata=b'{"client_name":"new"}')
    await store.read_again(first, second, became, an_event("document_changed", client), end=True)
    say(f"{name} read")
    await store.give(became, a_grant(client, ANN, b"h" * 16), a_consent(client, ANN), an_event("code_given", client))
    say(f"{name} given again")
    await store.end_all(became, structs.replace(became, state=State.SUSPENDED), an_event("client_suspended", client))
    say(f"{name} stopped")


async def one_dead(store: SqliteStore, name: str) -> None:
    """Register, be put aside, come back. Each step is said when it was acknowledged."""
    client = a_client(name)
    await store.register(client, an_event("dead_registered", client), None)
    say(f"{name} registered")
    suspect = Suspect(client, approved=False, alive=False, pending=False, gone_at=0)
    await store.prune(suspect, "idle", SEEN, an_event("client_pruned", client), NOW + 60, NOW + 60)
    say(f"{name} pruned")
    await store.bring_back(Pruned(client, "idle", NOW, NOW + 60), LATER, an_event("client_brought_back", client))
    say(f"{name} back")


def first_session(name: str) -> bytes:
    return f"first {name}".encode()


def second_session(name: str) -> bytes:
    return f"second {name}".encode()


async def main(path: Path) -> None:
    """Four clients, two addresses and two of the dead at a time, until the end or the fault."""
    store = SqliteStore.open(path, chain_key=CHAIN_KEY, writer=b"writer-1", now=Clock())
    await store.invite(an_invitation(1000), an_event("initial_access_token_created"))
    say("invited")
    await store.add_person(ANN, an_event("person_added"))
    say("peopled")
    for turn in range(20):
        await asyncio.gather(
            *(one(store, f"{turn}-{number}") for number in range(4)),
            *(one_address(store, f"at-{turn}-{number}") for number in range(2)),
            *(one_dead(store, f"dead-{turn}-{number}") for number in range(2)),
        )
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
