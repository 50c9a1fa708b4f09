"""How a command says that it did not."""

import sys
from typing import NoReturn

import click


def fail(why: str) -> NoReturn:
    """One line on standard error, and exit status 1."""
    click.echo(f"tanhui: {why}", err=True)
    sys.exit(1)
