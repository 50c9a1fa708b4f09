"""What is installed is what is pinned, and `make audit-deps` says what it found."""

import configparser
import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests import audit_dependencies
from tests.audit_dependencies import NotPinned, main, pinned
from tests.service.identity.outside_servers import running

ROOT = Path(__file__).parents[1]


def plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


@pytest.fixture
def versions() -> dict[str, str]:
    text = (ROOT / "constraints.txt").read_text()
    return {plain(name): version for name, version in pinned(text).items()}


def test_every_dependency_is_pinned(versions):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = setup["options"]["install_requires"].split()
    named += setup["options.extras_require"]["dev"].split()

    assert {plain(each.partition("[")[0]) for each in named} - versions.keys() == set()


def test_what_is_installed_is_what_is_pinned(versions):
    """What a machine has besides is its own business."""
    found = {plain(each.metadata["Name"]): each.version for each in distributions()}

    assert {name: found[name] for name in versions.keys() & found} == {
        name: version for name, version in versions.items() if name in found
    }


def test_nothing_is_fetched_from_where_a_file_says():
    """Where packages come from is said by whoever installs, not by the tree."""
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt", "Makefile"):
        text = (ROOT / name).read_text()
        assert not re.search(r"index-url|find-links|trusted-host|https?://[^ ]*/simple", text), name


@pytest.mark.parametrize("line", ["flask", "flask>=3", "flask==3.*", "flask @ https://x.example"])
def test_a_line_that_is_not_pinned_is_refused(line):
    with pytest.raises(NotPinned):
        pinned(f"# A comment.\nidna==3.20\n{line}\n")


def test_a_finding_fails_and_says_which(versions, capsys, monkeypatch):
    text = (ROOT / "constraints.txt").read_text()
    names = list(pinned(text))
    results = [{"vulns": [{"id": "PYSEC-2099-1"}]} if name == "idna" else {} for name in names]
    with running() as server:
        server.reply = lambda _: (200, {"results": results})

        assert main(server.url) == 1
        assert f"idna=={versions['idna']}: PYSEC-2099-1" in capsys.readouterr().out
        (asked,) = server.asked
        assert len(asked.json["queries"]) == len(names)
        monkeypatch.setattr(audit_dependencies, "ACCEPTED", {"PYSEC-2099-1": "not used so"})
        assert main(server.url) == 0


def test_without_a_finding_it_is_content(capsys):
    with running() as server:
        server.reply = lambda asked: (200, {"results": [{} for _ in asked.json["queries"]]})

        assert main(server.url) == 0
    assert "0 with advisories" in capsys.readouterr().out


@pytest.mark.parametrize(
    "reply",
    [(503, b""), (200, b"<html>"), (200, {}), (200, {"results": []}), (200, []), (302, {})],
    ids=range(6),
)
def test_advisories_that_cannot_be_asked_are_said_so(capsys, reply):
    with running() as server:
        server.reply = lambda _: reply

        assert main(server.url) == 0
    assert "nothing was checked" in capsys.readouterr().out


def test_nobody_there_is_said_so(capsys):
    assert main("http://127.0.0.1:1/") == 0
    assert "nothing was checked" in capsys.readouterr().out
