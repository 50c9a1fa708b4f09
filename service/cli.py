"""The ``tanhui`` command: views without a request. Each says what it did in one line.

A command's module is imported when it is called: starting them all takes longer than most work.
"""

import signal
import sys
from importlib import import_module

import click

from ledgers.errors import DomainError
from ledgers.log.errors import LogError
from service import garbage
from service.commands.failing import fail
from service.errors import CommandRefused

LACKS_PRIVILEGE = "42501"
REFUSALS = (CommandRefused, DomainError, LogError)
COMMANDS = {  # By name: module of ``service.commands``, and what it calls the command.
    "activities": "activities:activities",
    "admin-log": "admin_log:admin_log",
    "api-keys": "api_keys:api_keys",
    "appeals": "review:appeals",
    "audit": "auditing:audit",
    "budgets": "budgets:budgets_",
    "catalogue": "catalogue:catalogue",
    "corrections": "corrections:corrections",
    "db": "databases:db",
    "demo": "serving:demo",
    "districts": "districts:districts",
    "double-uses": "double_uses:double_uses",
    "feeds": "feeds:feeds",
    "identity": "identity:identity",
    "import": "importing:import_",
    "indicators": "indicators:indicators_",
    "jobs": "jobs:jobs",
    "keys": "keys:keys",
    "liability": "budgets:liability_",
    "log": "log:log",
    "merchants": "merchants:merchants_",
    "offers": "offers:offers",
    "report": "reports:report_",
    "reports": "district_reports:reports",
    "review": "review:review",
    "routes": "routes:command",
    "scenes": "scenes:scenes",
    "serve": "serving:serve",
    "settlements": "settlements:settlements",
    "simulate": "simulate:command",
    "staff": "staff:staff",
    "token": "tokens:token",
    "top-ups": "top_ups:top_ups",
    "vouchers": "vouchers:vouchers",
    "webhooks": "webhooks:webhooks",
}


def main() -> None:
    """Run a command; a refusal is one line on standard error and exit status 1."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Leave the servers properly.
    garbage.settle()
    try:
        tanhui.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except REFUSALS as error:
        fail(str(error))
    except Exception as error:
        _of_the_database(error)
        raise


def _of_the_database(error: Exception) -> None:
    from sqlalchemy.exc import DBAPIError, OperationalError  # Not for ``--help``.

    if isinstance(error, DBAPIError):
        why = str(error.orig).splitlines()[0]
        if isinstance(error, OperationalError):
            fail(f"the database does not answer: {why}")
        if getattr(error.orig, "sqlstate", None) == LACKS_PRIVILEGE:
            fail(f"the database's user lacks a privilege (see docs/operators.md): {why}")


class _Lazy(click.Group):
    """Commands by name, imported when they are asked for."""

    def list_commands(self, _: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if (where := COMMANDS.get(name)) is None:
            return None
        module, called = where.split(":")
        found: click.Command = getattr(import_module(f"service.commands.{module}"), called)
        return found


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tanhui")
def tanhui() -> None:
    """碳惠 Tanhui: the backend of a citizen carbon-credit programme."""
