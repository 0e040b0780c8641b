"""The command line: decode arguments, call one use case, print its answer."""

from calling_card.cli.commands import commands, main

__all__ = ["commands", "main"]
