"""A version that is drafted by hand is held to what a file is held to, and is never changed."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from activities.catalogue.drafting import write
from activities.catalogue.drafts import approve, name_of
from activities.errors import CatalogueRefused, DraftNeedsSecondPerson, DraftReused, UnknownDraft

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
FACTOR = {
    "name_zh": "乘坐地铁(按次)",
    "name_en": "Metro ride",
    "ug_co2e_per_unit": "46000000",
    "base_unit": "count",
    "published_value": "46",
    "published_unit": "gCO2e/trip",
    "publisher": "某市生态环境局",
    "document": "换算说明 第 3 页",
    "year": "2027",
    "source_address": "example.cn/3",
    "confidence": "seen",
    "boundary": "reduction",
    "valid_from": "2027-01-01",
}


def a_name() -> str:
    return f"factor:METRO.{uuid4().hex[:8]}"


def test_what_is_drafted_waits_for_somebody_else(session: Session):
    name = a_name()
    row = write(session, name, FACTOR, drafted_by="wang", now=NOW)

    assert (name_of(row), row.drafted_by, row.approved_at) == (name, "wang", None)
    assert (row.valid_from, row.valid_to) == (date(2027, 1, 1), None)
    with pytest.raises(DraftNeedsSecondPerson):
        approve(session, [name], approved_by="Wang ", now=NOW)
    (approved,) = approve(session, [name], approved_by="li", now=NOW)
    assert approved.approved_by == "li"


def test_the_same_again_is_a_retry_and_another_content_is_refused(session: Session):
    name = a_name()
    first = write(session, name, FACTOR, drafted_by="wang", now=NOW)

    assert write(session, name, FACTOR, drafted_by="wang", now=NOW) is first
    with pytest.raises(DraftReused):
        write(session, name, FACTOR | {"document": "第 4 页"}, drafted_by="wang", now=NOW)
    approve(session, [name], approved_by="li", now=NOW)
    assert write(session, name, FACTOR, drafted_by="wang", now=NOW).approved_by == "li"


_WALKING = {
    "programme_code": "sh-2026",
    "behaviour_code": "walking",
    "valid_from": "2027-01-01",
    "document": "通知 第 2 条",
}
VERSIONS = {
    "method:sh.walking@2": _WALKING
    | {"form": "per_unit", "factor_code": "WALK_STEP.WH", "share_permille": "900"},
    "rule:sh.walking.freshness@2": _WALKING
    | {"parameters": '{"kind": "freshness", "max_days": 7}'},
    "tariff:sh-2026@2027-01-01": {"mg_co2e_per_point": "2000", "document": "通知 第 2 条"},
}


@pytest.mark.parametrize("name", VERSIONS)
def test_a_new_version_of_what_is_in_force(session: Session, name: str):
    row = write(session, name, VERSIONS[name], drafted_by="wang", now=NOW)

    assert (name_of(row), row.valid_from, row.approved_at) == (name, date(2027, 1, 1), None)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"ug_co2e_per_unit": "46"}, "is not plausible"),
        ({"ug_co2e_per_unit": "47000000"}, "is 46000000 µg per count, not 47000000"),
        ({"document": ""}, "document is empty"),
        ({"valid_from": "soon"}, "valid_from is 'soon'"),
        ({"valid_to": "2026-01-01"}, "is not after valid_from"),
        ({"base_unit": "mile"}, "base_unit is 'mile', none of"),
        ({"approved_by": "me"}, "column approved_by is unknown"),
        ({"drafted_by": "me"}, "column drafted_by is unknown"),
    ],
)
def test_a_version_that_a_file_could_not_hold_is_refused(session: Session, values, told):
    with pytest.raises(CatalogueRefused) as refused:
        write(session, a_name(), FACTOR | values, drafted_by="wang", now=NOW)
    assert told in str(refused.value)


@pytest.mark.parametrize("name", ["walking", "scene:a", "rule:a", "tariff:sh-2026@soon"])
def test_what_is_no_drafts_name_is_unknown(session: Session, name: str):
    with pytest.raises(UnknownDraft):
        write(session, name, {}, drafted_by="wang", now=NOW)
