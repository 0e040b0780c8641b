"""The operator's policy is read again while the server runs (RFC 7591 §5; A-87)."""

from calling_card.ports import Ports
from calling_card.protocol.clients import JSON
from calling_card.protocol.events import Event
from calling_card.protocol.policy.written import BadPolicy


async def reload(ports: Ports, *, anyway: bool = False) -> bool:
    """Whether another policy counts from here on, or the same was read anew; a bad one is told, and the one before goes on counting."""
    try:
        policy = await ports.policies.look(anyway=anyway)
    except BadPolicy as bad:
        ports.log("policy_refused", level="error", problem=str(bad))
        await _record(ports, "policy_refused", {"problem": str(bad)})
        return False
    if policy is None:
        return False
    ports.log("policy_loaded", name=policy.name, digest=policy.digest)
    await _record(ports, "policy_loaded", {"name": policy.name, "digest": policy.digest})
    return True


async def _record(ports: Ports, kind: str, told: dict[str, JSON]) -> None:
    await ports.store.record(Event(kind, ports.now(), b"", "server", body=told))
