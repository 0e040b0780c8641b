"""Turns are remembered only while somebody has one."""

from calling_card.store.turns import Turns


async def test_a_turn_that_is_over_is_forgotten() -> None:
    turns = Turns()

    async with turns.of(b"a"):
        assert turns.of(b"a") is turns.of(b"a")
        assert len(turns) == 1

    assert len(turns) == 0
