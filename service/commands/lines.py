"""What people type into commands: names and reasons, each one line that says something."""

from collections.abc import Callable

import click

LENGTH_MAX = 500
_Checked = Callable[[click.Context, click.Parameter, str | None], str | None]


def line_of(length_max: int) -> _Checked:
    """A callback for an option: one line, without the spaces around it; none where none is told."""

    def checked(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.strip() or not value.isprintable() or len(value) > length_max:
            raise click.BadParameter(f"one line of text, at most {length_max} characters")
        return value.strip()

    return checked


line = line_of(LENGTH_MAX)
