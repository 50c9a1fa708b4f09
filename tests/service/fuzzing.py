"""A served programme with one of everything, and Schemathesis set upon it."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from service.app import create_app
from service.identity.tokens import Caller
from service.services import Services
from service.settings import Settings
from tests.service.reach.world import Side, a_side
from tests.service.test_cli import TANHUI, select_nothing

HERE = Path(__file__).with_name("fuzz")
SEED = 20261121
LONGEST = timedelta(hours=2)  # Longer than any run: a token of ten minutes would end within.
READY_S = 60
# Whoever called these is nobody from then on: the rest of a run would be 401s.
ENDINGS = ("closing.deleteMe", "sessions.deleteSessions")


@dataclass(frozen=True)
class Served:
    """A running server, and what is in it."""

    url: str
    side: Side
    services: Services
    log: Path

    def token(self, role: str, holder_id: UUID) -> str:
        """Staff have the whole programme or, where the role needs it, every one."""
        if role == "resident":
            caller = Caller(str(holder_id), role)
        elif role == "merchant":
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
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TANHUI_")}
    app = create_app(Settings.from_env(own))
    services: Services = app.extensions["tanhui"]
    side = a_side(services)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [TANHUI, "serve"], env=clean | own, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url)
        yield Served(url, side, services, log)
    finally:
        services.database.dispose()
        process.terminate()
        process.wait(READY_S)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(READY_S * 10):
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=10).close()
            return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None
            select_nothing()
    raise AssertionError("the server does not answer")


def fuzz(
    target: Served, role: str, folder: Path, *, seconds: int, last: bool = False,
    holder_id: UUID | None = None, more: Sequence[str] = (),
) -> tuple[int, str]:  # fmt: skip
    """Exit status and output of a run for so many seconds as ``role``."""
    config = folder / "schemathesis.toml"
    config.write_text(_config(target.side), encoding="utf-8")
    # What everybody may call leads nowhere: no link begins there.
    phases = "coverage,fuzzing" if role == "anybody" else "coverage,fuzzing,stateful"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(config)),
        *("run", f"{target.url}/openapi.json", "--phases", phases, "--max-time", str(seconds)),
        *("--header", "Accept-Language: en"),  # In which the hooks read what is wrong.
        *("--seed", str(SEED), "--generation-database", "none", "--no-color"),
        *("--report", "json", "--report-json-path", str(folder / f"{role}.json"), *more),
    ]
    for operation_id in _asked(target.url, role, last=last):
        command += ["--include-operation-id", operation_id]
    if role != "anybody":
        token = target.token(role, holder_id or target.side.resident)
        command += ["--header", f"Authorization: Bearer {token}"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TANHUI_")}
    environ = clean | {"PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "hooks"}
    done = subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, text=True, check=False,
        timeout=seconds * 4 + 240,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _asked(url: str, role: str, *, last: bool) -> list[str]:
    """The operations that the role may call; who may not is for test_auth."""
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=30) as answer:
        document: dict[str, Any] = json.load(answer)
    found = []
    for methods in document["paths"].values():
        for operation in methods.values():
            if not isinstance(operation, dict) or "operationId" not in operation:
                continue
            if (operation["operationId"] in ENDINGS) != last:
                continue
            public = operation["security"] == []
            if role == "anybody" if public else f"`{role}`" in operation["description"]:
                found.append(operation["operationId"])
    return found


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
    }
    bodies = {
        name: known[name]
        for name in ("holder_id", "activity_id", "transfer_id", "grant_id", "scene")
    } | {
        "offer_id": [str(side.offer)],
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
