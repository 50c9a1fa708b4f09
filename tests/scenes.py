"""Scenes of a test's own, as the loader would write them."""

from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.orm import Session

from activities.catalogue.models import Scene
from service.demo_shops import DEMO_PROGRAMME

ELSEWHERE = "sh-2026"  # Another programme.


def a_scene(session: Session, **facts: Any) -> Scene:
    """An approved one of walking, in the demo's programme, that asks for no consent."""
    values = {
        "code": f"test.{uuid4().hex[:12]}",
        "programme_code": DEMO_PROGRAMME,
        "partner_code": "fitbit-sample",
        "behaviour_code": "walking",
        "name_zh": "步行",
        "name_en": "Walking",
        "approved_from": date(2026, 1, 1),
        "approved_to": date(2028, 1, 1),
        "feed_format": "fitbit_daily",
        "document": "test",
        "channel": "operator",
        **facts,
    }
    session.execute(insert(Scene).values(values))
    return session.get_one(Scene, values["code"])
