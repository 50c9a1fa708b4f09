"""``tanhui activities``: one activity with its whole why, for operators and auditors."""

from typing import Any
from uuid import UUID

import click
import msgspec

from service import starting
from service.api.explained import ExplainedResponse, told_of
from service.printing import table
from service.settings import Settings

_RULES = ("rule", "version", "result", "parameters", "inputs")
_CHANGES = ("at", "kind", "code", "mg CO2e", "points", "by", "approved by", "note")


@click.group()
def activities() -> None:
    """What residents did, and why it was decided as it was."""


@activities.command(
    epilog="Example: tanhui activities show 01a1fd7d-dbb8-736e-84d5-ee7f4f714624"
    " --holder 166891b2-b0c4-54be-8b05-3361098efc49"
)
@click.argument("activity_id", type=click.UUID, metavar="ID")
@click.option("--holder", type=click.UUID, help="Whose it is; not needed with an app's own id.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(activity_id: UUID, holder: UUID | None, as_json: bool) -> None:
    """Show an activity as it stands, every rule, the method, the factors, the figure."""
    with starting.connected(Settings.from_env()) as services:
        told = services.database.transact(
            lambda session: told_of(session, activity_id, holder, names=True)
        )
    shown: dict[str, Any] = ExplainedResponse().dump(told)
    click.echo(msgspec.json.encode(shown) if as_json else _text(shown))


def _text(shown: dict[str, Any]) -> str:
    parts = [
        f"{shown['id']}  {shown['scene']}  {shown['started_at']} to {shown['ended_at']}",
        table(_RULES, [_rule(rule) for rule in shown["rules"]]),
    ]
    if shown["quantified"]:
        parts.append(_figure(shown["quantified"]))
    if shown["adjustments"]:
        parts.append(table(_CHANGES, [_change(each) for each in shown["adjustments"]]))
    parts.append(
        f"{shown['decision']} ({shown['code']}): {shown['saved_mg_co2e']:,} mg CO2e,"
        f" {shown['points']:,} points, {shown['trimmed_points']:,} withheld."
        f" {shown['reasons']['en']}"
    )
    return "\n".join(parts)


def _rule(rule: dict[str, Any]) -> tuple[str, ...]:
    version = "" if rule["version"] is None else str(rule["version"])
    return rule["rule"], version, rule["result"], _plain(rule["parameters"]), _plain(rule["inputs"])


def _plain(values: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (values or {}).items())


def _figure(found: dict[str, Any]) -> str:
    method, tariff, unit = found["method"], found["tariff"], found["base_unit"]
    factors = " less ".join(
        f"{each['code']} {each['ug_co2e_per_unit']:,} µg/{unit} × {each['share_permille']}‰"
        for each in found["factors"]
    )
    sources = "; ".join(f"{each['publisher']}, {each['document']}" for each in found["factors"])
    return (
        f"method {method['code']} {method['version']} ({method['form']}): {found['quantity']:,}"
        f" {unit} × ({factors}) = {found['exact_ug_co2e']} µg, {found['saved_mg_co2e']:,} mg;"
        f" {found['tariff_points']:,} points at {tariff['mg_co2e_per_point']:,} mg a point\n"
        f"sources: {sources}"
    )


def _change(each: dict[str, Any]) -> tuple[str, ...]:
    return (
        each["recorded_at"],
        each["kind"],
        each["code"],
        f"{each['saved_mg_co2e']:+,}",
        f"{each['points']:+,}",
        each["actor"],
        each["approved_by"] or "",
        each["note"],
    )
