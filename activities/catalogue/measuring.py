"""Factors and methods as quantities: dimensions, plausible ranges, and what was published.

Bounds are in µg of CO2e per base unit and wide: they catch slips of a power of ten and values that
are widely copied though wrong (0.19 kg for a m³ of gas), not a source that one may disagree with.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from math import ceil, floor

from activities.catalogue.files import Line, Tables
from activities.methods import net_per_unit

BASE_UNITS = ("m", "g", "Wh", "step", "count", "s", "ml")
FORMS = ("per_unit", "displaced", "mass", "own_baseline")

# Least and most µg per base unit, and the same in a unit to think in.
BOUNDS: dict[str, tuple[int, int, str]] = {
    "m": (100, 2_000_000, "0.0001 to 2 kg/km"),
    "g": (1_000, 50_000_000, "0.001 to 50 kg/kg"),
    "Wh": (50_000, 1_100_000, "0.05 to 1.1 kg/kWh"),
    "step": (1_000, 100_000, "0.001 to 0.1 g/step"),
    "count": (100_000, 500_000_000_000, "0.1 g to 500 kg each"),
    "s": (1_000, 1_000_000, "0.0036 to 3.6 kg/h"),
    "ml": (10, 5_000_000, "0.01 kg/m³ to 5 kg/L"),
}
GAS = (1_800, 2_400, "1.8 to 2.4 kg/m³")

# What a published "per ..." is in base units.
_PER = {
    "km": {"m": 1000}, "pkm": {"m": 1000}, "vehicle-km": {"m": 1000}, "passenger-km": {"m": 1000},
    "kWh": {"Wh": 1000}, "kg": {"g": 1000}, "t": {"g": 1_000_000, "ml": 1_000_000},
    "m3": {"ml": 1_000_000}, "L": {"ml": 1000}, "h": {"s": 3600}, "step": {"step": 1},
    **{each: {"count": 1} for each in ("trip", "day", "order", "meal", "item", "device", "box")},
}  # fmt: skip
_UG = {"g": 1_000_000, "kg": 1_000_000_000}
_PUBLISHED = re.compile(r"(k?g)(?:CO2e?)?/([A-Za-z0-9-]+)")

NOT_A_REDUCTION = ("own intensity", "baseline")


def factors(tables: Tables) -> Iterator[str]:
    """A factor without a source, out of range, or not what was published."""
    for line in tables.given("factors.csv"):
        if line["base_unit"] not in BOUNDS:
            continue  # Refused already.
        if line["confidence"] == "seen" and line["source_address"] == "no source seen":
            yield f"{line.place}: it is said to be seen, and names no source"
        yield from _dimensions(line)
        low, high, told = BOUNDS[line["base_unit"]]
        if _is_gas(line) and line["base_unit"] == "ml":
            low, high, told = GAS
        if not low <= line["ug_co2e_per_unit"] <= high:
            yield (
                f"{line.place}: {line['ug_co2e_per_unit']} µg per {line['base_unit']}"
                f" is not plausible: {told} is"
            )


def _is_gas(line: Line) -> bool:
    return bool(line["boundary"].startswith("gas") or "天然气" in line["name_zh"])


def _dimensions(line: Line) -> Iterator[str]:
    unit = line["base_unit"]
    if line["boundary"].startswith("grid") and unit != "Wh":
        yield f"{line.place}: wrong dimensions: a grid's electricity is per Wh, not per {unit}"
    if _is_gas(line) and unit != "ml":
        yield f"{line.place}: wrong dimensions: gas is per ml, not per {unit}"
    published = _PUBLISHED.match(line["published_unit"])
    if published is None or published[2] not in _PER:
        return
    units = _PER[published[2]]
    if unit not in units:
        yield f"{line.place}: wrong dimensions: published per {published[2]}, counted per {unit}"
        return
    try:
        exact = Fraction(Decimal(line["published_value"])) * _UG[published[1]] / units[unit]
    except (InvalidOperation, OverflowError, ValueError):
        return  # A range or a sum: nothing to compare.
    if line["ug_co2e_per_unit"] not in (floor(exact), ceil(exact)):
        yield (
            f"{line.place}: {line['published_value']} {line['published_unit']} is"
            f" {float(exact):.10g} µg per {unit}, not {line['ug_co2e_per_unit']}"
        )


def methods(tables: Tables) -> Iterator[str]:
    """A method whose factors do not fit its form, its behaviour, or each other."""
    materials = {(m["method_code"], m["version"]) for m in tables.all("method_materials.csv")}
    for line in tables.given("methods.csv"):
        behaviour = tables.find("behaviours.csv", line["behaviour_code"])
        if behaviour is None or line["form"] not in FORMS:
            continue  # Refused already.
        yield from _form(line, behaviour, (line["code"], line["version"]) in materials)
        for column in ("factor_code", "actual_factor_code"):
            factor = tables.find("factors.csv", line[column])
            if factor is not None:
                yield from _fits(line, factor, behaviour["base_unit"])
        yield from _result(line, tables)


def _form(line: Line, behaviour: Line, has_materials: bool) -> Iterator[str]:
    form = line["form"]
    if (line["factor_code"] is None) != (form == "mass"):
        yield f"{line.place}: factor_code belongs to every form but mass"
    if (line["actual_factor_code"] is not None) != (form == "displaced"):
        yield f"{line.place}: actual_factor_code belongs to the form displaced"
    if has_materials != (form == "mass"):
        yield f"{line.place}: materials belong to the form mass, which needs one at least"
    if form == "mass" and behaviour["base_unit"] != "g":
        yield (
            f"{line.place}: wrong dimensions: the form mass is per g,"
            f" {behaviour['code']} is counted in {behaviour['base_unit']}"
        )
    if form == "own_baseline" and behaviour["claimed_by"] != "month":
        yield f"{line.place}: an own baseline is by month, {behaviour['code']} is not"


def _fits(line: Line, factor: Line, base_unit: str) -> Iterator[str]:
    if factor["base_unit"] != base_unit:
        yield (
            f"{line.place}: wrong dimensions: the factor {factor['code']} is per"
            f" {factor['base_unit']}, the behaviour is counted in {base_unit}"
        )
    if factor["confidence"] != "seen":
        yield f"{line.place}: the source of {factor['code']} was not seen"


def _result(line: Line, tables: Tables) -> Iterator[str]:
    factor = tables.find("factors.csv", line["factor_code"])
    actual = tables.find("factors.csv", line["actual_factor_code"])
    if factor is None:
        return
    if line["form"] != "displaced" and factor["boundary"].startswith(NOT_A_REDUCTION):
        yield f"{line.place}: {factor['code']} is no reduction: {factor['boundary']}"
    if factor["boundary"].startswith("production") and line["share_permille"] == 1000:
        yield f"{line.place}: {factor['code']} needs a substitution rate in share_permille"
    if actual is not None and factor["base_unit"] == actual["base_unit"]:
        share, own = line["share_permille"], actual["ug_co2e_per_unit"]
        if net_per_unit(factor["ug_co2e_per_unit"], share, own) <= 0:
            yield (
                f"{line.place}: it saves nothing: {share} permille of {factor['code']}"
                f" is not more than {actual['code']}"
            )


def materials(tables: Tables) -> Iterator[str]:
    """A material whose factor is not per gram, or whose method is of another form."""
    for line in tables.given("method_materials.csv"):
        factor = tables.find("factors.csv", line["factor_code"])
        if factor is not None:
            yield from _fits(line, factor, "g")
            if factor["boundary"].startswith(NOT_A_REDUCTION):
                yield f"{line.place}: {factor['code']} is no reduction: {factor['boundary']}"


def outlived_factors(tables: Tables) -> Iterator[str]:
    """Methods that hold on days on which their factor does not: to look at, not to refuse."""
    named: dict[tuple[str, int], list[str]] = defaultdict(list)
    for line in tables.all("method_materials.csv"):
        named[line["method_code"], line["version"]].append(line["factor_code"])
    for line in tables.given("methods.csv"):
        codes = [line["factor_code"], line["actual_factor_code"]]
        for code in codes + named[line["code"], line["version"]]:
            factor = tables.find("factors.csv", code)
            if factor is not None and (
                line["valid_from"] < factor["valid_from"]
                or (line["valid_to"] or date.max) > (factor["valid_to"] or date.max)
            ):
                yield f"{line.place}: it holds on days on which the factor {code} does not"
