"""The one table of problems is complete, and says everything in both languages."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

import activities.errors
import activities.reviewing.errors
import ledgers.errors
import rewards.errors
import rewards.merchants.errors
import rewards.offers.budget_errors
import rewards.offers.errors
import rewards.redeeming.errors
import rewards.redeeming.top_up_errors
import rewards.settling.errors
import rewards.tills.errors
import rewards.webhooks.errors
import service.api_keys.errors
import service.audits.errors
import service.districts.errors
import service.districts.plans.errors
import service.errors
import service.feeds.errors
import service.gateway.errors
import service.identity.errors
import service.identity.family.errors
import service.identity.logins.errors
import service.identity.staff.errors
import service.jobs.errors
import service.merchants.errors
import service.settling.errors
from ledgers.errors import DomainError
from service.problem_types.kinds import kind
from service.problems import ALL_TYPES, PROBLEM_TYPES, respond

MODULES = (
    activities.errors,
    activities.reviewing.errors,
    ledgers.errors,
    rewards.errors,
    rewards.merchants.errors,
    rewards.offers.budget_errors,
    rewards.offers.errors,
    rewards.redeeming.errors,
    rewards.redeeming.top_up_errors,
    rewards.settling.errors,
    rewards.tills.errors,
    rewards.webhooks.errors,
    service.api_keys.errors,
    service.audits.errors,
    service.districts.errors,
    service.districts.plans.errors,
    service.feeds.errors,
    service.errors,
    service.identity.errors,
    service.identity.family.errors,
    service.identity.logins.errors,
    service.identity.staff.errors,
    service.gateway.errors,
    service.merchants.errors,
    service.settling.errors,
    service.jobs.errors,
)


def refusals() -> set[type[DomainError]]:
    return {
        thing
        for module in MODULES
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, DomainError) and thing is not DomainError
    }


def test_every_refusal_has_its_problem():
    assert refusals() <= PROBLEM_TYPES.keys()
    assert all(cls in refusals() for cls in DomainError.__subclasses__())


def test_slugs_are_unique_and_fit_an_address():
    slugs = [kind.slug for kind in ALL_TYPES]

    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", slug) for slug in slugs)


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: kind.slug)
def test_title_and_detail_are_in_chinese_and_english(kind):
    for text in (kind.title, kind.detail):
        assert re.search("[\u4e00-\u9fff]", text.zh)
        assert not re.search("[\u4e00-\u9fff]", text.en)
    facts = set(re.findall(r"{(\w+)}", kind.detail.zh))
    assert facts == set(re.findall(r"{(\w+)}", kind.detail.en)) <= set(kind.members)


@pytest.mark.parametrize("error", sorted(refusals(), key=lambda cls: cls.__name__))
def test_members_are_facts_that_the_refusal_carries(error):
    carried = set(error.__init__.__code__.co_names)

    assert set(PROBLEM_TYPES[error].members) <= carried


def test_a_sentence_tells_instants_by_one_clock_and_lists_without_brackets(app):
    at = datetime(2026, 11, 21, 16, 50, 5, 596615, tzinfo=UTC)
    said = kind(
        409,
        "so",
        ("题", "Title"),
        ("{at}：{text_at}：{codes}：{day}", "{at}: {text_at}: {codes}: {day}"),
    )
    facts = {"at": at, "text_at": at.isoformat(), "codes": ["a", "b"], "day": date(2026, 11, 22)}

    def document(language: str) -> dict[str, Any]:
        with app.test_request_context("/", headers={"Accept-Language": language}):
            return respond(said, **facts).get_json(force=True)

    local = "2026-11-22 00:50:05"
    assert document("zh")["detail"] == f"北京时间 {local}：北京时间 {local}：a、b：2026-11-22"
    english = f"{local} Beijing time: {local} Beijing time: a, b: 2026-11-22"
    assert document("en")["detail"] == english
    assert datetime.fromisoformat(document("en")["at"]) == at, "facts stay exact"
    assert document("en")["codes"] == ["a", "b"]
