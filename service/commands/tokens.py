"""``tanhui token``: a token for development."""

from datetime import UTC, datetime

import click

from service import starting
from service.identity.staff.models import ALL
from service.identity.tokens import ROLES, Caller
from service.services import tokens
from service.settings import Settings


@click.command(epilog="Example: tanhui token district_officer --scope 310118")
@click.argument("role", type=click.Choice(ROLES))
@click.option("--subject", default="development", help="Holder id of a resident, or a staff id.")
@click.option("--scope", default="", help="Merchant id, partner code or division of the role.")
@click.option("--programme", default=ALL, help="Staff's programme; every one when not said.")
def token(role: str, subject: str, scope: str, programme: str) -> None:
    """Print a token of ten minutes for development; refuses when a production key is set."""
    settings = Settings.from_env()
    if settings.token_key_file is not None:
        raise starting.NotReady("a production key is set (TANHUI_TOKEN_KEY_FILE): no tokens here")
    caller = Caller(subject, role, scope, "" if role == "resident" else programme)
    click.echo(tokens(settings).issue(caller, now=datetime.now(UTC)))
