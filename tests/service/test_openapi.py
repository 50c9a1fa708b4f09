"""The OpenAPI document is one that integrators can rely on."""

import json
import re

import pytest
from jsonschema_rs import Draft202012Validator

from service.api.examples import OF_ONE
from service.api.links import LINKS
from tests.service.test_auth import PUBLIC

pytestmark = pytest.mark.once

AMOUNT = re.compile("_(mg_co2e|points|fen|bp|units|thousandths|m|s)$")
PLAIN = {
    "points",
    "index",
    "activities",
    "residents",
    "quantity",
    "amount",
    "balance",
    "debt",
    "status",
}
PLAIN |= {"available", "held", "log_index", "position", "remaining", "transfer_count"}
PLAIN |= {"version", "method_version", "ug_co2e_per_unit", "mg_co2e_per_point", "share_permille"}
PLAIN |= {"verified", "rejected"}  # Counts of activities.
PLAIN |= {"events", "unreadable", "verified_quantity"}
PLAIN |= {"terms_version"}
PLAIN |= {"recovery_codes_left"}
PLAIN |= {"text_version", "consent_text_version", "persons", "tier"}
PLAIN |= {"forfeited_vouchers"}
PLAIN |= {"valid_days", "cancel_hours", "codes", "after_version"}
PLAIN |= {"tries", "redelivered_messages", "dead_messages"}
PLAIN |= {"units"}
PLAIN |= {"log_size", "folded_to", "year"}  # Of reports and plans.
PLAIN |= {"acts", "grants", "newly_verified", "newly_refused", "regranted"}  # Counts of acts.
PLAIN |= {"size", "done", "total", "drifts_found", "step_number", "steps"}  # Of the log, of audits.
PLAIN |= {"left_out", "registered_residents", "resident_population", "vouchers", "rank"}
PLAIN |= {"lines", "line", "alike", "times"}  # Of settlements and of merchants' files.


@pytest.fixture
def document(client):
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in ("get", "put", "post", "delete"):
                yield path, method, operation


def test_it_is_openapi_3_1_of_this_host(document):
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"]
    assert document["servers"] == [{"url": "/"}]


def test_every_route_under_v1_is_described(document, app):
    paths = {
        re.sub("<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/v1/")
    }

    assert set(document["paths"]) == paths


def test_every_operation_says_what_it_does_who_may_and_how_it_refuses(document):
    for path, method, operation in operations(document):
        assert operation["summary"], path
        if path in {re.sub("<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", each) for each in PUBLIC}:
            assert operation["security"] == []
            assert "503" in operation["responses"]
            continue
        said = operation["description"]
        ways = {
            "bearer": "For the roles `" in said,
            "key": "With the key" in said,
            "signature": "Signed by" in said,
        }
        assert any(ways.values())
        assert operation["security"] == [{way: []} for way, may in ways.items() if may]
        wanted = {"401", "403", "503"} | ({"409"} if method == "put" else set())
        wanted |= {"422", "400", "415"} if "requestBody" in operation else set()
        assert wanted <= operation["responses"].keys(), path


def test_every_problem_has_the_content_type_of_problems(document):
    for response in document["components"]["responses"].values():
        assert list(response["content"]) == ["application/problem+json"]


def test_every_reference_leads_somewhere(document):
    def references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            for inner in node.values():
                yield from references(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from references(inner)

    for reference in set(references(document)):
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_number_carries_its_unit_or_says_it(document):
    """In its name, or in its description."""
    for name, schema in document["components"]["schemas"].items():
        for field, kind in schema.get("properties", {}).items():
            if kind.get("type") == "integer":
                assert AMOUNT.search(field) or field in PLAIN, f"{name}.{field}"
                if field in ("amount", "balance", "quantity"):
                    assert "unit" in kind["description"]


def test_requests_refuse_what_they_do_not_name(document):
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Request"):
            assert schema["additionalProperties"] is False


def test_every_operation_has_an_id_of_its_own(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(set(ids)) == len(ids)


def test_every_status_is_named(document):
    for path, method, operation in operations(document):
        assert "default" not in operation["responses"], f"{method} {path}"


def test_every_way_in_is_described(document):
    schemes = document["components"]["securitySchemes"]

    assert set(schemes) == {"bearer", "key", "signature"}
    assert all(scheme["description"] for scheme in schemes.values())


def kinds_of(schema):
    kind = schema.get("type")
    return set(kind) - {"null"} if isinstance(kind, list) else {kind}


def test_every_property_has_an_example_or_says_it_otherwise(document):
    """By an enum, a format, or the body that it refers to."""
    for name, schema in document["components"]["schemas"].items():
        for field, kind in schema.get("properties", {}).items():
            told = {"example", "enum", "format", "$ref", "anyOf", "allOf"} & kind.keys()
            items = kind.get("items", {})
            told |= {"example", "enum", "format", "$ref"} & items.keys()
            assert told or kinds_of(kind) == {"boolean"}, f"{name}.{field}"


def test_no_example_is_for_a_property_that_there_is_not(document):
    there = {
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field in schema.get("properties", {})
    }

    assert OF_ONE.keys() <= there


def contents(document):
    """Every body, with the place where it stands."""
    for path, method, operation in operations(document):
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for place, body in bodies.items():
            for media, content in body.get("content", {}).items():
                if media != "application/zip":
                    yield f"{method} {path} {place}", content
    for status, answer in document["components"]["responses"].items():
        for content in answer["content"].values():
            yield status, content


def test_every_body_has_an_example_that_fits_it(document):
    for place, content in contents(document):
        examples = [each["value"] for each in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        assert examples, place
        whole = content["schema"] | {"components": document["components"]}
        validator = Draft202012Validator(whole, validate_formats=True)
        for example in examples:
            assert not [error.message for error in validator.iter_errors(example)], place


def test_patterns_are_read_alike_in_every_language(document):
    """No end of text as Python alone writes it."""
    assert r"\\Z" not in json.dumps(document)


def test_every_link_takes_what_is_there(document):
    found = {each["operationId"]: (path, each) for path, _, each in operations(document)}
    links = [
        (answer, link)
        for _, _, operation in operations(document)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(links) == len(LINKS)
    for answer, link in links:
        path, end = found[link["operationId"]]
        (content,) = answer["content"].values()
        for name, where in link.get("parameters", {}).items():
            assert f"{{{name}}}" in path
            assert where.startswith("$request.path.") or has(document, content["schema"], where)
        for where in link.get("requestBody", {}).values():
            assert has(document, content["schema"], where)
        assert not link.get("requestBody") or "requestBody" in end


def has(document, schema, where) -> bool:
    """Whether an answer of this schema has what the expression points to."""
    for step in where.removeprefix("$response.body#/").split("/"):
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        schema = schema["items"] if step == "0" else schema["properties"].get(step)
        if schema is None:
            return False
    return True


def test_a_batch_may_be_refused_for_its_version(document):
    """A body of its own on both sides, of which nothing is read from the schemas."""
    batch = document["paths"]["/v1/feeds/{scene_code}/batches/{batch_id}"]["post"]

    assert {"409", "413", "415", "422"} <= batch["responses"].keys()
