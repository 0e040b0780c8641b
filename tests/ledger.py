"""Ties a test to the requirements it proves; `ledger/` and the tests are compared by `tools/ledger.py`."""

import re
from collections.abc import Callable
from typing import TypeVar

Proof = TypeVar("Proof", bound=Callable[..., object])

WELL_FORMED = re.compile(r"(?:H|C|R|M|D|A|X|S[0-4])-\d{2,3}")


def meets(*ids: str) -> Callable[[Proof], Proof]:
    """Note on a test, or on a class of tests, the ids of the ledger rows that it proves."""
    wrong = [name for name in ids if not WELL_FORMED.fullmatch(name)]
    if wrong or not ids:
        raise ValueError(f"not the ids of requirements: {', '.join(wrong) or 'none given'}")

    def tie(proof: Proof) -> Proof:
        earlier: tuple[str, ...] = getattr(proof, "__meets__", ())
        setattr(proof, "__meets__", (*earlier, *ids))  # noqa: B010 - a plain assignment is unknown to the type checkers
        return proof

    return tie
