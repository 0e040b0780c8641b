"""What becomes of a client that waits for approval."""

import pytest
from msgspec import structs

from calling_card.protocol.clients import Client, State, Tier
from calling_card.protocol.life.approval import (
    approved,
    begins_to_wait,
    judged_again,
    refused,
    registrant,
    resumed,
    standing,
    suspended,
    told,
)
from calling_card.protocol.policy import Decision, Outcome, Reason, awaited
from tests.ledger import meets
from tests.store.examples import a_client

ACTIVE = a_client()
HELD = structs.replace(ACTIVE, state=State.HELD)
OTHER = b'{"client_name":"Another"}'


@meets("A-88", "M-14", "X-31")
@pytest.mark.parametrize(
    "before,state,waits",
    [
        (ACTIVE, State.ACTIVE, False),
        (HELD, State.HELD, False),
        (approved(HELD), State.ACTIVE, False),
        (suspended(HELD), State.HELD, False),
        (refused(HELD, "no"), State.HELD, False),
        (resumed(suspended(HELD)), State.HELD, False),
    ],
)
def test_a_suspension_and_its_end_leave_a_client_as_it_was(before: Client, state: State, waits: bool) -> None:
    after = resumed(suspended(before))

    assert (after.state, after.waits, after.refusal) == (state, waits, "")
    assert after.epoch == before.epoch + 1


@meets("A-88", "X-35")
@pytest.mark.parametrize(
    "client,held,state",
    [
        (ACTIVE, False, State.ACTIVE),
        (ACTIVE, True, State.HELD),
        (HELD, False, State.HELD),
        (HELD, True, State.HELD),
        (approved(HELD), True, State.ACTIVE),
        (structs.replace(approved(HELD), metadata=OTHER), True, State.HELD),
        (structs.replace(approved(HELD), metadata=OTHER), False, State.ACTIVE),
    ],
)
def test_approval_is_of_one_card_and_nothing_else_ends_the_waiting(client: Client, held: bool, state: State) -> None:
    after = judged_again(client, held=held)

    assert after.state is state
    assert begins_to_wait(client, after) is (client.state is State.ACTIVE and state is State.HELD)
    assert after.epoch == client.epoch + begins_to_wait(client, after)


@meets("A-88")
@pytest.mark.parametrize(
    "client,expected",
    [
        (ACTIVE, {}),
        (HELD, {"registration_state": "held"}),
        (suspended(ACTIVE), {"registration_state": "suspended"}),
        (refused(HELD, "no"), {"registration_state": "refused", "registration_state_reason": "no"}),
    ],
)
def test_a_client_is_told_where_it_stands(client: Client, expected: dict[str, str]) -> None:
    assert standing(client) == expected
    assert told(client) == ({"held": True} if client is HELD else {})


@meets("A-88")
def test_the_owner_of_an_invitation_registered_nothing() -> None:
    assert registrant(structs.replace(ACTIVE, owner="alice")) == "alice"
    assert registrant(structs.replace(ACTIVE, owner="alice", invitation=b"i" * 16)) == ""


@meets("A-88")
@pytest.mark.parametrize("tier", [Tier.ANONYMOUS, Tier.URL, Tier.TOKEN, Tier.VOUCHED])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_tier_that_waits_is_held_whatever_else_was_found(tier: Tier, outcome: Outcome) -> None:
    found = Decision(outcome, {}, (Reason(outcome, "scope", "a", "b", "because"),))

    free, waits = awaited(found, tier, ()), awaited(found, tier, (tier.name.lower(),))

    assert free == found
    assert waits.outcome is (Outcome.REFUSE if outcome is Outcome.REFUSE else Outcome.HOLD)
    assert (waits.reasons[0], waits.reasons[1].why) == (found.reasons[0], f"{tier.name.lower()} clients wait for approval")
