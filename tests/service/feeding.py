"""A data partner with a scene, residents and a key, as tests of the signed door need one."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from activities.catalogue.models import Partner, Scene
from service.feeds.keys import make, secret_of
from service.feeds.signatures import sign
from service.identity.outside_ids import add_ids
from service.services import Services
from tests.makers import APRIL_12, a_resident


@dataclass
class Sender:
    """One partner: what it sends, and as whom."""

    services: Services
    client: FlaskClient
    scene: str
    partner: str
    keys: list[UUID]
    residents: dict[str, UUID] = field(default_factory=dict)

    def resident(self) -> str:
        """The partner's own id of a new resident."""
        subject = f"卡 {uuid4().hex[:12]}"

        def work(session):
            holder_id = a_resident(session)
            now, keyring = datetime.now(UTC), self.services.keyring
            add_ids(session, keyring, self.partner, {subject: holder_id}, now=now)
            return holder_id

        self.residents[subject] = self.services.database.transact(work)
        return subject

    def event(self, subject: str, *, minute: int = 0, **changes: Any) -> dict[str, Any]:
        """A ride of ten minutes, ``minute`` minutes after midnight."""
        start = APRIL_12 + timedelta(minutes=minute)
        return {
            "event_id": uuid4().hex,
            "subject": subject,
            "started_at": start.isoformat(),
            "ended_at": (start + timedelta(minutes=10)).isoformat(),
            "quantity": 1,
            **changes,
        }

    def secret(self, number: int = 0) -> bytes:
        return secret_of(self.services.feed_key, self.keys[number])

    def signed(
        self,
        body: bytes,
        *,
        secret: bytes | None = None,
        id_: str | None = None,
        at: datetime | None = None,
    ) -> dict[str, str]:
        id_, at = id_ or f"msg_{uuid4().hex}", at or datetime.now(UTC)
        return {
            "webhook-id": id_,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": sign(secret or self.secret(), id_, at, body),
        }

    def post(
        self,
        events: bytes | list[dict[str, Any]],
        batch_id: str = "b1",
        *,
        version: int | None = None,
        headers: dict[str, str] | None = None,
        **signing: Any,
    ) -> TestResponse:
        """Sign and send a batch."""
        body = events if isinstance(events, bytes) else ndjson(events)
        return self.client.post(
            f"/v1/feeds/{self.scene}/batches/{batch_id}",
            query_string={} if version is None else {"version": version},
            data=body,
            headers=self.signed(body, **signing) | (headers or {}),
            content_type="application/x-ndjson",
        )


def a_sender(
    services: Services, client: FlaskClient, *, behaviour: str = "demo.bike", **scene: object
) -> Sender:
    """A partner of its own, with a scene of the demo programme, changed by ``scene``, and a key."""
    code = f"test.{uuid4().hex[:10]}"

    def work(session):
        demo = session.get_one(Scene, behaviour)
        columns = {c.key: getattr(demo, c.key) for c in Scene.__table__.columns}
        session.add(Partner(code=code, name_zh="测试", name_en="Test"))
        session.flush()
        changes = {"code": code, "partner_code": code, "feed_format": "native"}
        session.add(Scene(**columns | changes | scene))
        return make(session, code, made_by="tester", now=datetime.now(UTC)).id

    return Sender(services, client, code, code, [services.database.transact(work)])


def ndjson(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)


def told(answer: TestResponse) -> list[dict[str, Any]]:
    """The lines of an answer."""
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]
