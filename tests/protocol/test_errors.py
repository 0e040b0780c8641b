"""Every way to say no, as a row (RFC 6749 §5.2, RFC 7591 §3.2.2)."""

import re

import pytest

from calling_card.protocol.errors import No, Refusal

each_row = pytest.mark.parametrize("no", list(No), ids=lambda no: no.name)


@each_row
def test_a_refusal_has_the_code_and_status_of_its_row(no: No) -> None:
    assert (no.code, no.status) == (no.value.code, no.value.status)
    assert re.fullmatch(r"[a-z_]+", no.code)
    assert 400 <= no.status < 600
    assert no.value.section.startswith(("RFC ", "OIDC "))
    assert no.value.meaning.endswith(".")


@each_row
def test_only_what_asks_for_a_bearer_token_says_so(no: No) -> None:
    assert no.value.challenge.startswith("Bearer ") == (no.code in {"invalid_token", "insufficient_scope"})


def test_no_two_rows_are_the_same() -> None:
    """Else the second would be another name of the first, and a status would be lost."""
    assert len({no.value for no in No}) == len(No.__members__)


def test_a_refusal_keeps_what_the_log_learns_apart_from_what_the_client_is_told() -> None:
    first, second = Refusal(No.INVALID_SCOPE, "scope: a"), Refusal(No.INVALID_TARGET, "resource: b")

    refusal = Refusal(No.INVALID_SCOPE, "scope: a", errors=(first, second), logged="from 198.51.100.7", retry_after=3, basic=True)

    assert str(refusal) == refusal.description == "scope: a"
    assert refusal.errors == (first, second)
    assert (refusal.logged, refusal.retry_after, refusal.basic) == ("from 198.51.100.7", 3, True)
