"""A loop outlives whatever goes wrong in one of its rounds, and says so (M-57, X-34)."""

from collections.abc import Awaitable

from calling_card.ports import Ports


async def told(ports: Ports, failed: str, work: Awaitable[object], **about: str) -> None:
    """Do the work of one round; ``failed``: the log line that says what went wrong, and ``about`` what."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - whatever it was, a loop that ended unheard would be worse
        ports.log(failed, level="error", **about, cause=f"{type(error).__name__}: {error}")
