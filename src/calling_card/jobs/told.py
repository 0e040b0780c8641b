"""A loop outlives whatever goes wrong in one of its rounds, and says so (M-57, X-34)."""

from collections.abc import Awaitable

from calling_card.ports import Ports


async def told(ports: Ports, failed: str, work: Awaitable[object], **about: str) -> bool:
    """Do the work of one round and say whether it went well; ``failed``: the log line that tells what did not, and ``about`` what."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - whatever it was, a loop that ended unheard would be worse
        ports.log(failed, level="error", **about, cause=f"{type(error).__name__}: {error}")
        return False
    return True
