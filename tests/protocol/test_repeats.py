"""Where a registration that may be sent again is born."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from calling_card.protocol.clients import Generations, State
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.credentials import INITIAL_ACCESS_TOKEN, Handle
from calling_card.protocol.handles.repeats import WINDOW, Repeat, answered, repeat, untouched
from tests.ledger import meets
from tests.store.examples import NOW, a_client

TOKEN = Handle(INITIAL_ACCESS_TOKEN, 1, b"t" * 16, 1)


class Ring:
    """One key that is honoured, and says what it was asked for."""

    minting = 1

    def mac(self, number: int, kind: str, message: bytes) -> bytes | None:
        return hashlib.sha256(kind.encode() + message).digest() if number == 1 else None


def place(token: Handle = TOKEN, key: str = "k", body: bytes = b"{}", now: int = NOW) -> Repeat:
    found = repeat(Ring(), token, key, body, now)
    assert found is not None
    return found


@meets("R-96")
def test_the_same_request_has_the_same_place_and_any_other_has_another() -> None:
    others = [place(structs.replace(TOKEN, owner=b"u" * 16)), place(key="l"), place(body=b"{ }"), place(now=NOW + WINDOW)]

    assert place() == place()
    assert len({one.births[0] for one in (place(), *others)}) == 5
    assert len({one.turn for one in (place(), *others)}) == 4


@given(st.integers(min_value=NOW, max_value=NOW + 10**6), st.integers(min_value=0, max_value=WINDOW))
def test_whoever_comes_again_within_the_window_looks_where_the_first_was_born(at: int, later: int) -> None:
    assert place(now=at).births[0] in place(now=at + later).births


def test_a_place_has_the_form_of_every_client() -> None:
    here, before = place().births

    assert (len(here.client_id), here.client_id[0], len(here.incarnation)) == (23, "c", 8)
    assert here != before
    assert place().invitation == TOKEN.owner


def test_a_key_of_the_ring_that_is_not_honoured_gives_no_place() -> None:
    assert repeat(Ring(), structs.replace(TOKEN, key=2), "k", b"{}", NOW) is None


def test_a_key_that_is_too_long_is_refused() -> None:
    place(key="k" * 255)

    with pytest.raises(Refusal) as caught:
        place(key="k" * 256)

    assert (caught.value.no, caught.value.description) == (No.INVALID_REQUEST, "Idempotency-Key: must have at most 255 characters")


@pytest.mark.parametrize("age, fresh", [(0, True), (WINDOW - 1, True), (WINDOW, False)])
def test_an_answer_may_be_lost_for_ten_minutes(age: int, fresh: bool) -> None:
    assert answered(a_client(), NOW + age) is fresh


def test_a_client_is_touched_once_it_has_other_credentials_or_may_not_act() -> None:
    client = a_client(secret=True)

    assert untouched(client)
    assert untouched(a_client())
    assert untouched(structs.replace(client, state=State.HELD))
    assert not untouched(structs.replace(client, state=State.SUSPENDED))
    assert not untouched(structs.replace(client, rat=Generations(issued=2)))
    assert not untouched(structs.replace(client, secret=Generations(issued=2)))
