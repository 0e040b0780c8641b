"""The client information response (RFC 7591 §3.2.1, RFC 7592 §3)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from calling_card.protocol.answers import Desk, card_of, information, to_bytes
from calling_card.protocol.clients import JSON, Card, Generations
from calling_card.protocol.handles.credentials import CLIENT_SECRET, REGISTRATION_ACCESS_TOKEN, of_client, read, write
from calling_card.protocol.handles.rotation import withdraw
from tests.ledger import meets
from tests.protocol.macs import ISSUER, NOW, Macs, a_client

MACS = Macs()
DESK = Desk(ISSUER, f"{ISSUER}/register", management=True)
CARD: Card = {"client_name": "Notes", "redirect_uris": ["https://app.example/cb"]}


@meets("S0-28", "H-01")
def test_a_client_with_a_secret_is_told_everything_that_is_registered() -> None:
    client = structs.replace(a_client("c1"), secret_expires_at=NOW + 60)

    answer = information(DESK, MACS, client, CARD)

    assert client.secret is not None
    assert answer == {
        "client_id": "c1",
        "client_secret": write(MACS, ISSUER, of_client(CLIENT_SECRET, client, client.secret)),
        "client_secret_expires_at": NOW + 60,
        "client_id_issued_at": NOW,
        "registration_access_token": write(MACS, ISSUER, of_client(REGISTRATION_ACCESS_TOKEN, client, client.rat)),
        "registration_client_uri": f"{ISSUER}/register/c1",
        **CARD,
    }


@meets("S0-28")
@pytest.mark.parametrize("row", [None, withdraw(Generations())])
def test_a_client_without_a_secret_is_told_of_none(row: Generations | None) -> None:
    answer = information(DESK, MACS, a_client(secret=row), CARD)

    assert not any(name.startswith("client_secret") for name in answer)


def test_a_secret_that_is_not_to_be_shown_leaves_its_end_behind() -> None:
    answer = information(DESK, MACS, a_client(), CARD, secret=False)

    assert "client_secret" not in answer
    assert answer["client_secret_expires_at"] == 0


@meets("M-01")
def test_without_management_there_is_neither_its_token_nor_its_uri() -> None:
    answer = information(replace(DESK, management=False), MACS, a_client(), CARD)

    assert not any(name.startswith("registration_") for name in answer)
    assert "client_secret" in answer


@meets("M-03")
@pytest.mark.parametrize("client_id, path", [("c1", "c1"), ("a/../b", "a%2F..%2Fb"), ("https://x.example/", "https%3A%2F%2Fx.example%2F")])
def test_a_name_is_one_segment_of_the_management_uri(client_id: str, path: str) -> None:
    answer = information(DESK, MACS, a_client(client_id), CARD)

    assert answer["registration_client_uri"] == f"{ISSUER}/register/{path}"


@meets("C-09")
def test_the_newest_credentials_are_told_and_the_previous_are_not() -> None:
    client = a_client(rat=Generations(3, 5, 1, 2), secret=Generations(1, 4, 1, 2))

    answer = information(DESK, MACS, client, CARD)

    rat = read(MACS, ISSUER, REGISTRATION_ACCESS_TOKEN, str(answer["registration_access_token"]))
    secret = read(MACS, ISSUER, CLIENT_SECRET, str(answer["client_secret"]))
    assert rat is not None
    assert secret is not None
    assert (rat.generation, rat.key) == (5, 2)
    assert (secret.generation, secret.key) == (4, 2)


def test_a_credential_whose_key_is_burnt_cannot_be_told() -> None:
    with pytest.raises(LookupError, match="key 9"):
        information(DESK, MACS, a_client(rat=Generations(1, 1, 9, 9)), CARD)


VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=6))
def test_a_card_is_kept_as_it_is_in_value_and_in_order(card: Card) -> None:
    kept = card_of(structs.replace(a_client(), metadata=to_bytes(card)))

    assert kept == card
    assert list(kept) == list(card)
