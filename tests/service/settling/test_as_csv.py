"""CSV of a settlement: nothing in it is a formula, and times are as the zone has them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from service.settling.as_csv import harmless
from service.settling.exporting import clock, instant


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "  =1", "\n=1", "＝1", " ＋1"]
)
def test_what_a_spreadsheet_takes_for_a_formula_is_marked_as_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "咖啡", "a=1", "'=1"])
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "Europe/Berlin", "America/St_Johns"])
@pytest.mark.parametrize(
    "at", ["1999-12-31T23:59:59", "2026-10-25T00:59:59", "2026-10-25T01:00:00"]
)
def test_an_instant_is_written_with_the_offset_of_its_zone_and_day(zone: str, at: str) -> None:
    there = datetime.fromisoformat(at).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    seconds = int(there.timestamp())
    assert instant(seconds, ZoneInfo(zone)) == there.isoformat()
    assert clock(seconds, ZoneInfo(zone)) == f"{there:%Y-%m-%d %H:%M:%S}"
