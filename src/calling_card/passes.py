"""One pass of the loop: what was looked up in it need not be looked up again before the next one (docs/decisions/0016).

A request is read before the pass begins in which it is worked on. So whatever others did before it was sent, a look in that pass sees,
be it a look for somebody else.
"""

import asyncio


class Pass:
    """Whether the pass goes on in which something was looked up. Without a loop there is none, and everything is looked up again."""

    def __init__(self) -> None:
        """Nothing was."""
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def goes_on(self) -> bool:
        """Whether nothing can have come since."""
        return self._loop is not None and not self._loop.is_closed()

    def begin(self) -> None:
        """It was looked up just now."""
        if self.goes_on:
            return
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._loop.call_soon(self.end)

    def end(self) -> None:
        """Whoever comes from here on looks again."""
        self._loop = None
