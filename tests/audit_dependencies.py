"""``make audit-deps``: the pinned versions of constraints.txt against the advisories of OSV.

One request. Exit 1 on a finding, with a line for each; exit 0 when there is none, and, with a plain
line that says so, when the advisories cannot be asked from here: this checks the versions, not the
network. pip-audit would do the same with some twenty packages more.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
ADVISORIES = "https://api.osv.dev/v1/querybatch"
ACCEPTED: Mapping[str, str] = {}  # An advisory's id: why it does not touch us.
TIMEOUT_S = 30
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.+!]+)")


class NotPinned(Exception):
    """A line of constraints.txt that names no single version."""


class Unreachable(Exception):
    """The advisories cannot be asked, or answer what is no answer."""


def pinned(text: str) -> dict[str, str]:
    """Versions by name; raises NotPinned."""
    found = {}
    for line in text.splitlines():
        plain = line.partition("#")[0].strip()
        if plain and not (match := _PINNED.fullmatch(plain)):
            raise NotPinned(plain)
        if plain and match:
            found[match[1]] = match[2]
    return found


def advisories(versions: Mapping[str, str], url: str = ADVISORIES) -> dict[str, list[str]]:
    """The ids of advisories about these very versions, by name; raises Unreachable."""
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        for name, version in versions.items()
    ]
    try:
        answer = httpx.post(url, json={"queries": queries}, timeout=TIMEOUT_S)
        if answer.status_code != 200:
            raise Unreachable(f"status {answer.status_code}")
        results = answer.json()["results"]
        listed = zip(versions, results, strict=True)
        found = {name: [each["id"] for each in _vulns(result)] for name, result in listed}
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise Unreachable(type(error).__name__) from None
    return {name: ids for name, ids in found.items() if ids}


def _vulns(result: Any) -> list[Any]:
    return list((result or {}).get("vulns", ()))


def main(url: str = ADVISORIES) -> int:
    """The exit status."""
    versions = pinned((ROOT / "constraints.txt").read_text())
    try:
        found = advisories(versions, url)
    except Unreachable as error:
        print(
            f"audit-deps: the advisories cannot be asked from here ({error}); nothing was checked"
        )
        return 0
    left = {
        name: open_ for name, ids in found.items() if (open_ := sorted(set(ids) - ACCEPTED.keys()))
    }
    for name, ids in sorted(left.items()):
        print(f"{name}=={versions[name]}: {', '.join(ids)}")
    print(f"audit-deps: {len(versions)} versions, {len(left)} with advisories")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
