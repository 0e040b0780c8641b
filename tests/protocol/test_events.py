"""The audit events: every kind is a row, and every link of the chain holds every field (CREDENTIALS §2, X-58)."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

import calling_card
from calling_card.protocol.events import KINDS, NAMES, Recorded, link
from tests.ledger import meets

KEY = b"k" * 32
EVENT = Recorded(b"writer-1", 7, 1_800_000_000, "client_replaced", b"c" * 16, b'{"actor":"client"}', b"")
LATER = ("refresh_reuse", "refresh_retry_late")
"""Named by the rotation table of refresh tokens, which no server issues yet."""


def named_in_the_code() -> Iterator[str]:
    """First arguments of every ``Event(...)``, and every ``event="..."``."""
    for path in Path(calling_card.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id == "Event" and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
            if isinstance(node.func, ast.Name) and node.func.id == "Step":
                yield from (str(word.value.value) for word in node.keywords if word.arg == "event" and isinstance(word.value, ast.Constant))


def test_every_event_that_the_code_names_is_a_row() -> None:
    named = set(named_in_the_code())

    assert len(named) >= 10
    assert named - set(LATER) <= set(NAMES)


def test_no_event_is_described_twice_and_none_carries_a_credential() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all(kind.meaning.endswith(".") for kind in KINDS)
    assert not {"client_secret", "token", "registration_access_token", "initial_access_token"} & {
        name for kind in KINDS for name in kind.fields
    }


@meets("X-58")
def test_a_link_changes_with_every_field_with_its_predecessor_and_with_the_key() -> None:
    right = link(KEY, b"p" * 16, EVENT)
    others = [
        link(b"K" * 32, b"p" * 16, EVENT),
        link(KEY, b"P" * 16, EVENT),
        link(KEY, b"", EVENT),
        link(KEY, b"p" * 16, structs.replace(EVENT, writer=b"writer-2")),
        link(KEY, b"p" * 16, structs.replace(EVENT, number=8)),
        link(KEY, b"p" * 16, structs.replace(EVENT, at=EVENT.at + 1)),
        link(KEY, b"p" * 16, structs.replace(EVENT, kind="client_deleted")),
        link(KEY, b"p" * 16, structs.replace(EVENT, client_key=b"d" * 16)),
        link(KEY, b"p" * 16, structs.replace(EVENT, content=b"{}")),
    ]

    assert len(right) == 16
    assert len({right, *others}) == 1 + len(others)
    assert len(others) == len(Recorded.__struct_fields__) - 1 + 3, "a field of an event that no link holds could be altered unseen"


@meets("X-58")
@given(st.binary(max_size=8), st.binary(max_size=8), st.integers(0, 8))
def test_no_byte_can_be_moved_from_one_field_to_the_next(first: bytes, second: bytes, cut: int) -> None:
    whole = first + second
    here = structs.replace(EVENT, client_key=first, content=second)
    there = structs.replace(EVENT, client_key=whole[:cut], content=whole[cut:])

    assert (link(KEY, b"", here) == link(KEY, b"", there)) == (here == there)


@meets("X-58")
@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[1:])
def test_a_chain_in_another_order_has_other_links(order: tuple[int, ...]) -> None:
    events = [structs.replace(EVENT, number=number) for number in range(1, 4)]

    assert chain(events) != chain([events[place] for place in order])


def chain(events: list[Recorded]) -> bytes:
    mac = b""
    for event in events:
        mac = link(KEY, mac, event)
    return mac
