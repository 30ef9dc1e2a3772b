"""A group of commands whose help says of each, in whole, what it does."""

from __future__ import annotations

import click

_WHOLE = 1_000
"""Characters of a command's first sentence: it is broken over lines, never cut off."""


class Group(click.Group):
    """A click group; click itself would cut each sentence off at the end of its line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with what they do."""
        told = [(name, self.in_short(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, text in told if text])

    def in_short(self, ctx: click.Context, name: str) -> str:
        """What a command does, in one sentence; empty for one that is not to be listed."""
        command = self.get_command(ctx, name)
        return "" if command is None or command.hidden else command.get_short_help_str(_WHOLE)
