"""A served programme with one of everything, and Schemathesis set upon it."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from service.app import create_app
from service.authorisation import MERCHANT_ROLES
from service.feeds.keys import make, secret_of
from service.identity.tokens import Caller
from service.services import Services
from service.settings import Settings
from tests.service.reach.world import Side, a_side
from tests.service.test_cli import TANHUI, select_nothing

HERE = Path(__file__).with_name("fuzz")
SEED = 20261121
LONGEST = timedelta(hours=2)  # Longer than any run: a token of ten minutes would end within.
READY_S = 60
SIDES = 8
# Whoever called these is nobody from then on: the rest of a run would be 401s.
ENDINGS = ("closing.deleteMe", "sessions.deleteSessions")


@dataclass(frozen=True)
class Served:
    """A running server, and what is in it."""

    url: str
    side: Side
    services: Services
    secret: bytes  # Of the key of the scene's partner.
    log: Path

    def token(self, role: str, holder_id: UUID) -> str:
        """Staff have the whole programme or, where the role needs it, every one."""
        if role == "resident":
            caller = Caller(str(holder_id), role)
        elif role in MERCHANT_ROLES:
            caller = Caller("till", role, str(self.side.merchant), self.side.programme)
        else:
            caller = Caller("fuzzer", role, "", "*")
        return self.services.tokens.issue(caller, now=datetime.now(UTC), lifetime=LONGEST)


@contextmanager
def served(environ: Mapping[str, str], port: int, folder: Path) -> Iterator[Served]:
    """``tanhui serve`` with one worker, until the end of the block."""
    own = {
        **environ,
        "TANHUI_PORT": str(port),
        "TANHUI_WORKERS": "1",
        "TANHUI_RATE_LIMITS": "off",
    }
    services: Services = create_app(Settings.from_env(own)).extensions["tanhui"]
    log = folder / "server.log"
    with ExitStack() as stack:
        stack.callback(services.database.dispose)
        # Of things that are decided once there are several: a list should never run empty.
        side, *_ = [a_side(services) for _ in range(SIDES)]
        key_id = services.database.transact(
            lambda session: make(session, side.scene, made_by="t", now=datetime.now(UTC)).id
        )
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [TANHUI, "serve"], env=_environ() | own, stdout=output, stderr=subprocess.STDOUT
        )
        stack.callback(process.wait, READY_S)
        stack.callback(process.terminate)
        url = f"http://127.0.0.1:{port}"
        _wait(process, url)
        yield Served(url, side, services, secret_of(services.feed_key, key_id), log)


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TANHUI_")}


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(READY_S * 10):
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=10).close()  # noqa: S310
            return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None
            select_nothing()
    raise AssertionError("the server does not answer")


def fuzz(
    target: Served, role: str, folder: Path, *, seconds: int, last: bool = False,
    holder_id: UUID | None = None,
) -> tuple[int, str]:  # fmt: skip
    """Exit status and output of a run for so many seconds as ``role``.

    ``last``: of what ends the caller's own login, and nothing else, as the resident ``holder_id``.
    """
    config = folder / "schemathesis.toml"
    config.write_text(_config(target.side), encoding="utf-8")
    # No link begins where a login ends, nor at what everybody may call.
    linked = not last and role not in ("anybody", "partner")
    phases = "coverage,fuzzing,stateful" if linked else "coverage,fuzzing"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(config)),
        *("run", f"{target.url}/openapi.json", "--phases", phases, "--max-time", str(seconds)),
        *("--header", "Accept-Language: en"),  # In which the hooks read what is wrong.
        *("--request-timeout", "60"),  # Others may be at work on the machine.
        *("--seed", str(SEED), "--generation-database", "none", "--no-color"),
        *("--report", "json", "--report-json-path", str(folder / f"{role}.json")),
    ]
    for operation_id in _asked(target.url, role, last=last):
        command += ["--include-operation-id", operation_id]
    if role not in ("anybody", "partner"):
        token = target.token(role, holder_id or target.side.resident)
        command += ["--header", f"Authorization: Bearer {token}"]
    if role == "partner":  # The hooks put a true one in its place.
        command += ["--header", "webhook-signature: v1,c2lnbmVkIGxhdGVy"]
    environ = _environ() | {"PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "hooks"}
    if role == "partner":
        environ["TANHUI_TEST_FUZZ_SECRET"] = target.secret.hex()
    done = subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, text=True, check=False,
        timeout=seconds * 4 + 240,
    )  # fmt: skip
    output = done.stdout + done.stderr
    (folder / f"{role}.txt").write_text(output, encoding="utf-8")
    return done.returncode, output


def _asked(url: str, role: str, *, last: bool) -> list[str]:
    """The operations that the role may call; who may not is for test_auth."""
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=30) as answer:  # noqa: S310
        document: dict[str, Any] = json.load(answer)
    found = []
    for methods in document["paths"].values():
        for operation in methods.values():
            if not isinstance(operation, dict) or "operationId" not in operation:
                continue
            if (operation["operationId"] in ENDINGS) != last:
                continue
            if _may(role, operation):
                found.append(operation["operationId"])
    return found


def _may(role: str, operation: dict[str, Any]) -> bool:
    if role == "partner":
        return "Signed by the scene's partner" in operation.get("description", "")
    if operation["security"] == []:
        return role == "anybody"
    return f"`{role}`" in operation["description"]


def _config(side: Side) -> str:
    """The common part, and for each parameter named after something here what exists of it."""
    known: dict[str, list[str]] = {
        "holder_id": [str(side.resident), str(side.neighbour)],
        "account_id": [str(side.account)],
        "activity_id": [str(side.activity), str(side.held), str(side.refused)],
        "transfer_id": [str(side.transfer)],
        "posting_id": [str(side.posting)],
        "redemption_id": [str(side.redemption)],
        "correction_id": [str(side.correction), str(side.activity_correction)],
        "member_id": [str(side.member)],
        "grant_id": [str(side.grant)],
        "delegation_id": [str(side.delegation)],
        "session_id": [str(side.session)],
        "key_id": [str(side.api_key)],
        "scene": [side.app_scene, side.consent_scene, side.staff_scene, side.scene],
        "scene_code": [side.scene],
        "code": [side.scene, side.programme, side.app_scene],
        "division_code": [side.town, side.district],
        "name": [side.draft],
        "job_name": ["lapse", "seal"],
        "merchant_id": [str(side.merchant)],
        "offer_id": [str(side.offer)],
        "shop_id": [str(side.shop)],
        "scanner_id": [str(side.scanner)],
        "agreement_id": [str(side.agreement)],
        "budget_id": [str(side.budget)],
        "project_id": [str(side.project)],
        "settlement_id": [str(side.settlement)],
        "endpoint_id": [str(side.webhook)],
        "message_id": [str(side.webhook_message)],
        "consumption_id": [str(side.consumption)],
        "scan_id": [str(side.scan)],
        "device_id": [str(side.code_device)],
        "top_up_id": [str(side.top_up)],
        "day": ["2026-11-16", "2026-11-20"],
    }
    shared = ("holder_id", "activity_id", "transfer_id", "grant_id", "scene", "offer_id")
    shared += ("merchant_id", "shop_id", "agreement_id", "budget_id", "redemption_id")
    bodies = {name: known[name] for name in shared} | {
        "programme": [side.programme],
        "division": [side.town],
        "card_number": [side.card],
        "delegation_id": [str(side.delegation)],
    }
    lines = [(HERE / "schemathesis.toml").read_text(encoding="utf-8")]
    for place, names in (("path", known), ("body", bodies)):
        for name, values in names.items():
            lines.append(f"[dictionaries.{place}_{name}]\nvalues = {json.dumps(values)}\n")
            lines.append(
                f'[parameters."{place}.{name}"]\ndictionary = "{place}_{name}"\nprobability = 0.7\n'
            )
    return "\n".join(lines)
