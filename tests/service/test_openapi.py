"""The OpenAPI document is one that integrators can rely on."""

import re

import pytest

from tests.service.test_auth import PUBLIC

AMOUNT = re.compile("_(mg_co2e|points|fen|units|m|s)$")
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
        if path in PUBLIC:
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
