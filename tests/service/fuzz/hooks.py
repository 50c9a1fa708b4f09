"""What Schemathesis is told of our API in Python: loaded by it, not by pytest."""

import hmac
import json
import os
import re
import time
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st
from requests import PreparedRequest
from requests.auth import AuthBase

# What no schema says: a signature, bounds and order of days, what is named twice, what a parameter
# needs beside it, a phone as somebody types it; that 2.0 is no integer here, as JSON Schema has it.
BEYOND_SCHEMAS = re.compile(
    r"Not a valid cursor\.|Not a date of birth\.|Not a phone\.|A (transfer|scene) is named twice\."
    r"|Must be greater than or equal to [0-9-]{10}.*|Must be later than from\."
    r"|Not after period_from\."
    r"|Must not be less than min_amount\.|Send object_kind too\."
    r"|Not a valid integer\."
)
NDJSON = "application/x-ndjson"
TO_BE_SIGNED = "v1,c2lnbmVkIGxhdGVy"
SECRET = bytes.fromhex(os.environ.get("TANHUI_TEST_FUZZ_SECRET", ""))  # A partner's.
INSTANTS = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
EVENT = st.fixed_dictionaries(
    {
        "event_id": st.text(max_size=70),
        "started_at": INSTANTS | st.just("2026-11-16T08:00:00+08:00"),
        "ended_at": INSTANTS | st.just("2026-11-16T08:10:00+08:00"),
        "quantity": st.integers() | st.integers(0, 100),
    },
    optional={
        "subject": st.text(max_size=70),
        "holder_id": st.uuids().map(str),
        "details": st.dictionaries(
            st.sampled_from(["distance_m", "place", "odometer_m", "device"]),
            st.integers() | st.text() | st.lists(st.integers(), max_size=2),
        ),
    },
)


class Signed(AuthBase):
    """Signs as Standard Webhooks has it what is about to be sent."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        id_, seconds = f"msg_{uuid4().hex}", str(int(time.time()))
        made = hmac.digest(SECRET, f"{id_}.{seconds}.".encode() + body, "sha256")
        request.headers["webhook-id"] = id_
        request.headers["webhook-timestamp"] = seconds
        request.headers["webhook-signature"] = f"v1,{b64encode(made).decode()}"
        return request


@schemathesis.hook
def before_call(
    _: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]
) -> None:
    """As the partner; unless a signature or a token was made up, which must not be let in."""
    sent = case.headers or {}
    if SECRET and sent.get("webhook-signature") == TO_BE_SIGNED and "Authorization" not in sent:
        kwargs["auth"] = Signed()


@schemathesis.hook
def before_generate_body(context: schemathesis.HookContext, strategy: Any) -> Any:
    """A batch is a text to its schema: events too, of which most can be read."""
    if context.operation is None or not context.operation.path.endswith("/batches/{batch_id}"):
        return strategy
    return st.one_of(strategy, st.lists(EVENT.map(json.dumps), min_size=1).map("\n".join))


@schemathesis.serializer(NDJSON)
def lines(_: schemathesis.SerializationContext, value: Any) -> Any:
    """A batch: what is generated for it is a text or bytes already."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer(NDJSON)
def entries(_: schemathesis.DeserializationContext, response: schemathesis.Response) -> Any:
    """The first line: each is described alike. Where there is nothing, there is no line."""
    for line in response.content.splitlines():
        return json.loads(line)
    return {}


@schemathesis.check
def schema_is_whole(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """What fits the schema is not refused for a field: then the schema says too little.

    A refusal for what it means (another problem type) is none of the schema's.
    """
    if (
        response.status_code != 422
        or case.meta is None
        or not case.meta.generation.mode.is_positive
    ):
        return
    problem = response.json()
    if not problem["type"].endswith("/problems/body-does-not-fit"):
        return
    told = [each for each in problem["errors"] if not BEYOND_SCHEMAS.fullmatch(each["detail"])]
    assert not told, told
