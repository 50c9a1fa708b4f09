"""Whom a role, a programme or a scope lets see what is decided in one place; its table is true."""

import ast
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.auth import KEY, SIGNATURE
from service.authorisation import OWN, SHARED
from service.cli import tanhui
from service.commands.routes import ACTING, NAMES, every_route
from service.identity.tokens import ROLES
from tests.service.test_auth import routes

ROOT = Path(__file__).parents[3]
API = sorted((ROOT / "service/api").glob("*.py"))
# What a grant is made of: read by service.authorisation and service.auth, and handed on to them.
GRANT = {"role", "programme", "scope", "powers"}
# Of a caller that is told to somebody, and decides nothing: module, function.
TOLD = {("signed_in", "tokens_answer"), ("verifications", "put")}
ALL_STAFF = set(ROLES) - {"resident", "merchant", "partner"}


def reads_of_a_grant(module: ast.Module) -> list[str]:
    """Functions that look at the role, programme, scope or powers of who calls."""
    found = []
    for function in ast.walk(module):
        if not isinstance(function, ast.FunctionDef):
            continue
        callers = {
            target.id
            for each in ast.walk(function)
            if isinstance(each, ast.Assign)
            for names, values in _pairs(each)
            for target, value in zip(names, values, strict=False)
            if isinstance(target, ast.Name) and _is_caller(value)
        } | {
            each.arg
            for each in function.args.args
            if isinstance(each.annotation, ast.Name) and each.annotation.id == "Caller"
        }
        for each in ast.walk(function):
            if isinstance(each, ast.Attribute) and each.attr in GRANT:
                value = each.value
                if _is_caller(value) or (isinstance(value, ast.Name) and value.id in callers):
                    found.append(function.name)
    return found


def _pairs(assigned: ast.Assign) -> list[tuple[list[ast.expr], list[ast.expr]]]:
    value = assigned.value
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return [
        (target.elts if isinstance(target, ast.Tuple) else [target], values)
        for target in assigned.targets
    ]


def _is_caller(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and getattr(value.func, "id", "") == "caller"


@pytest.mark.parametrize("path", API, ids=lambda path: path.stem)
def test_no_view_looks_at_the_callers_grant_itself(path):
    reads = {(path.stem, name) for name in reads_of_a_grant(ast.parse(path.read_text("utf-8")))}

    assert reads <= TOLD, "ask service.authorisation, or service.auth, instead"


def test_nobody_else_compares_a_grants_programme():
    """Elsewhere in the service either: administrators are bound to their programme as well."""
    compared = re.compile(r"\b(actor|caller|who)(\(\))?\.(programme|scope) *(==|!=|in\b|not in\b)")
    found = {
        (path.relative_to(ROOT).as_posix(), line.strip())
        for path in (ROOT / "service").rglob("*.py")
        if path.name != "authorisation.py"
        for line in path.read_text("utf-8").splitlines()
        if compared.search(line)
    }

    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    return caller().role == 'operator'",
        "def f():\n    who = caller()\n    return who.scope",
        "def f():\n    now, who = 1, caller()\n    return who.programme",
        "def f(found: Caller):\n    return found.powers",
    ],
)
def test_that_would_be_seen(source):
    assert reads_of_a_grant(ast.parse(source)) == ["f"]


def test_every_route_that_staff_reach_says_how_far(app):
    """Only what is somebody's own, or done with one's own key, may say nothing."""
    for route in routes(app):
        staff = set(route.view.authentication) & ALL_STAFF
        if staff and route.view.within is OWN:
            assert route.rule.startswith("/v1/me/"), route


def test_an_administrator_reaches_no_resident(app):
    """Staff, grants, keys and the admin log, which names residents to others only."""
    theirs = {
        route.rule.split("/")[2]
        for route in routes(app)
        if "administrator" in route.view.authentication
    }

    assert theirs <= {"admin-log", "api-keys", "me", "members"}


def test_what_is_the_same_for_everybody_is_that_alone(app):
    shared = {
        (route.method, route.rule)
        for route in routes(app)
        if getattr(route.view, "within", None) is SHARED and route.method != "HEAD"
    }

    assert shared == {("GET", "/v1/catalogue/rules")}


def test_the_table_has_every_route_and_role_of_the_application(app):
    listed = {(each.method, each.route): set(each.extents) for each in every_route()}
    there = {
        (route.method, _plain(route.rule)): set(route.view.authentication)
        for route in routes(app)
        if route.method != "HEAD" and not route.rule.startswith("/static/")
    }

    assert listed == there
    assert set(NAMES) == {*ROLES, KEY, SIGNATURE}
    assert {each.acting for each in every_route()} <= {"", *ACTING}
    assert all(each.summary for each in every_route())


def _plain(rule: str) -> str:
    for kind in ("uuid", "string", "path", "int"):
        rule = rule.replace(f"<{kind}:", "{")
    return rule.replace("<", "{").replace(">", "}")


def test_the_document_is_what_the_command_prints():
    printed = CliRunner().invoke(tanhui, ["routes", "--format", "markdown"])

    assert printed.exit_code == 0, printed.output
    assert (ROOT / "docs/roles.md").read_text("utf-8") == printed.output, (
        "docs/roles.md is not up to date: tanhui routes --format markdown > docs/roles.md"
    )


def test_the_table_is_also_json_and_text():
    as_json = CliRunner().invoke(tanhui, ["routes", "--format", "json"])
    as_text = CliRunner().invoke(tanhui, ["routes"])

    (one,) = [
        each
        for each in json.loads(as_json.output)["routes"]
        if (each["method"], each["route"]) == ("GET", "/v1/transfers/{transfer_id}/proof")
    ]
    assert one["extents"] == {"resident": "own", "auditor": "holder"}
    line = next(line for line in as_text.output.splitlines() if "{transfer_id}/proof" in line)
    assert "resident: own, auditor: holder" in line
