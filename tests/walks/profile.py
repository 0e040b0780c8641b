"""Follows one call through our files: which file called which other one, in order."""

import dis
import gc
import inspect
import sys
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import TypeVar

import calling_card

SOURCE = str(Path(calling_card.__file__).parent) + "/"
_WAITS = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_GENERATOR
T = TypeVar("T")


@dataclass
class Trail:
    """Calls from one file of ours into another, in the order in which they happened."""

    steps: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Caller and called, as ``web/tokens``; the caller is empty where the call came from outside."""

    async def follow(self, work: Awaitable[T]) -> T:
        """Do the work and note its steps."""
        with self._noting():
            return await work

    @contextmanager
    def _noting(self) -> Generator[None]:
        before = sys.getprofile()
        gc.disable()  # what others left behind ends in its own time, not under somebody's call
        sys.setprofile(self._seen)
        try:
            yield
        finally:
            sys.setprofile(before)
            gc.enable()

    def _seen(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call" or not (called := ours(frame)) or frame.f_lasti > begins(frame.f_code):
            return
        above = frame.f_back
        while above is not None and not ours(above):
            above = above.f_back
        caller = ours(above) if above is not None else ""
        if caller != called:
            self.steps.append((caller, called))


def ours(frame: FrameType) -> str:
    """The file of a frame below our package, without its ending; empty for a file of somebody else."""
    name = frame.f_code.co_filename
    return name[len(SOURCE) :].removesuffix(".py") if name.startswith(SOURCE) else ""


@cache
def begins(code: CodeType) -> int:
    """From where on a call event is no call but a coroutine that goes on; larger than any place for a plain function."""
    if not code.co_flags & _WAITS:
        return sys.maxsize
    return next(one.offset for one in dis.get_instructions(code) if one.opname == "RESUME")
