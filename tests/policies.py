"""Policies as operators write them, for tests: from a text, and as what a server judges by."""

import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from calling_card.protocol.policy import Policy
from calling_card.protocol.policy.written import digest_of, policy_of
from calling_card.web.app import App
from tests.world import World

HEAD = 'version = 1\nname = "test"\n'


def policy(text: str, reserved: tuple[str, ...] = ()) -> Policy:
    """The policy of this text below the two lines that each has."""
    whole = text if text.startswith("version") else HEAD + text
    return policy_of(tomllib.loads(whole), digest_of(whole.encode()), reserved)


@dataclass
class FixedPolicies:
    """Whatever policy a test puts here."""

    current: Policy | None

    async def look(self, *, anyway: bool = False) -> Policy | None:
        del anyway
        return None


@contextmanager
def under(some: World, text: str) -> Generator[World]:
    """The same server under this policy, for a while."""
    before = some.ports
    some.ports = replace(before, policies=FixedPolicies(policy(text)))
    some.app = App(some.ports)
    try:
        yield some
    finally:
        some.ports = before
        some.app = App(before)
