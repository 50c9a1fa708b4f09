"""What Schemathesis is told of our API in Python: loaded by it, not by pytest."""

import json
import re
from typing import Any

import schemathesis

# What no schema says: a signature, the bounds and the order of days, what is named twice, a phone.
BEYOND_SCHEMAS = re.compile(
    r"Not a valid cursor\.|Not a date of birth\.|Not a phone\.|A (transfer|scene) is named twice\."
    r"|Must be greater than or equal to [0-9-]{10}.*|Must be later than from\."
    r"|Must not be less than min_amount\."
)
NDJSON = "application/x-ndjson"


@schemathesis.serializer(NDJSON)
def lines(_: schemathesis.SerializationContext, value: Any) -> Any:
    """A batch: what is generated for it is a text or bytes already."""
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


@schemathesis.deserializer(NDJSON)
def entries(_: schemathesis.DeserializationContext, response: schemathesis.Response) -> Any:
    """The first line: each is described alike."""
    for line in response.content.splitlines():
        return json.loads(line)
    return None


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
