"""openid-client and oauth4webapi act for themselves, each driven by a small program in `node/`."""

from collections.abc import Callable

import pytest

from tests.interop.conftest import OPAQUE, Running
from tests.interop.driver import NODE_HOME, find_node
from tests.interop.life import SERVICE, Plan, assert_a_whole_life, steps_from
from tests.ledger import meets


@meets("R-01", "M-18", "M-29", "M-39", "M-40")
@pytest.mark.parametrize("driver", ["oauth4webapi", "openid-client"])
def test_a_client_of_the_npm_registry_lives_a_whole_life(plan: Plan, driver: str, live: Callable[[list[str], Plan], str]) -> None:
    printed = live([find_node(), str(NODE_HOME / f"{driver}.mjs")], plan)

    assert_a_whole_life(plan, steps_from(printed))


@meets("A-40", "C-34")
def test_the_clients_of_the_npm_registry_authenticate_by_a_jwt(running: Running, live: Callable[[list[str], Plan], str]) -> None:
    plan = running.plan(OPAQUE, "", SERVICE, uses=4)

    steps = steps_from(live([find_node(), str(NODE_HOME / "jwt.mjs")], plan))

    assert [step.step for step in steps] == [
        f"{alg}, {name}" for alg in ("ES256", "PS256", "Ed25519", "HS256") for name in ("openid-client", "oauth4webapi")
    ]
    assert all((step.active, step.scope, step.token_type.lower()) == (True, plan.scope, "bearer") for step in steps)
