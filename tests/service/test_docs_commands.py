"""The guides' commands, run as they stand in the docs against a running ``tanhui demo``."""

import json
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
TANHUI = Path(sys.executable).with_name("tanhui")
PATIENCE_S = 120


def blocks(doc: str, chapter: str, language: str) -> list[str]:
    text = (ROOT / "docs" / doc).read_text("utf-8")
    (found,) = re.findall(rf"^## {chapter}\n.*?(?=^## )", text, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```", found, re.MULTILINE | re.DOTALL)


class Demo:
    """A ``tanhui demo`` of its own database; what it prints is read line by line."""

    def __init__(self, database_url: str, redis_url: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        clean = {name: v for name, v in os.environ.items() if not name.startswith("TANHUI_")}
        self.environ = clean | {
            "TANHUI_DATABASE_URL": database_url,
            "TANHUI_REDIS_URL": redis_url,
            "TANHUI_VAR_DIR": str(folder / "var"),
            "TANHUI_PORT": self.address.partition(":")[2],
            "TANHUI_WORKERS": "1",
        }
        self.process = subprocess.Popen(
            [TANHUI, "demo"],
            env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self.line_with("Started worker")

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.put(line)

    def line_with(self, part: str) -> str:
        """The next line with it; fails when none comes."""
        seen: list[str] = []
        while not seen or part not in seen[-1]:
            try:
                seen.append(self.lines.get(timeout=PATIENCE_S))
            except queue.Empty:
                pytest.fail(f"no line with {part!r} after:\n{''.join(seen)}")
        return seen[-1]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.listener.join(PATIENCE_S)

    def here(self, script: str) -> str:
        """The doc's text with this server's address and this environment's command."""
        return script.replace("127.0.0.1:8000", self.address).replace(
            ".venv/bin/tanhui", f"{TANHUI}"
        )


@pytest.fixture(scope="module")
def demo(copied_database, urls, tmp_path_factory):
    with copied_database() as url:
        running = Demo(url, urls["redis"], tmp_path_factory.mktemp("docs"))
        yield running
        running.stop()


def test_from_signing_in_to_the_first_redemption(demo, tmp_path):
    commands = blocks("app.md", "From signing in to the first redemption", "sh")
    acts = next(each for each in commands if "act.json" in each)
    again = f'for _ in 1 2; do\n{acts}\ntest "$(get decision < act.json)" = held || break\ndone\n'
    script = "\n".join(commands).replace(acts, again)  # Two of a thousand acts are held.
    assert script.count("CODE=…") == 1
    bash = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", demo.here(script.replace("CODE=…", "read -r CODE"))],
        env=demo.environ, cwd=tmp_path, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    code = re.search("验证码 ([0-9]{6})", demo.line_with("SMS …8000"))
    assert code is not None
    told, complaints = bash.communicate(code[1] + "\n", timeout=PATIENCE_S)

    assert bash.returncode == 0, complaints
    answer = {name: json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
              for name in ("act", "redemption", "consumption", "next")}  # fmt: skip
    assert (answer["act"]["decision"], answer["act"]["points"]) == ("verified", 40)
    assert answer["redemption"]["spent_points"] == 30
    assert answer["consumption"]["offer_id"] == answer["redemption"]["offer_id"]
    assert answer["next"]["expires_in_s"] == 600
    assert re.findall(r"HTTP/1\.1 ([0-9]+)", told) == ["304", "204"]


@pytest.fixture(scope="module")
def secret(demo):
    made = subprocess.run(
        [TANHUI, "feeds", "key", "new", "tfl-sample", "--by", "anna"],
        env=demo.environ, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    return made.stdout.strip()


@pytest.fixture
def sending(demo, secret, tmp_path):
    """Runs a program as somebody who sends the doc's batch."""
    (event,) = blocks("partners.md", "A batch", "json")
    (tmp_path / "rides.ndjson").write_text(event, "utf-8")

    def run(*words: str, batch: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*words, "demo.bike", batch, "rides.ndjson"],
            env=demo.environ | {"URL": f"http://{demo.address}", "SECRET": secret},
            cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("language", ["python", "java"])
def test_a_batch_signed_in_twenty_lines(sending, tmp_path, language):
    """The program of the docs: accepted, the same again, and refused with another content."""
    if language == "java":
        assert shutil.which("java"), "a JDK is needed: apt-get install default-jdk-headless"
    file, command = {"python": ("send.py", sys.executable), "java": ("Send.java", "java")}[language]
    program = next(each for each in blocks("partners.md", "Signing", language) if file in each)
    (tmp_path / file).write_text(program, "utf-8")

    first, again = (sending(command, file, batch=language) for _ in range(2))

    assert first.returncode == 0, first.stderr
    line = json.loads(first.stdout)
    assert (line["event_id"], line["decision"], line["points"]) == ("r1", "verified", 52)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    (tmp_path / "rides.ndjson").write_text("{}\n", "utf-8")
    other = sending(command, file, batch=language)
    assert other.returncode == 1
    assert "batch-id-reused" in other.stdout + other.stderr
