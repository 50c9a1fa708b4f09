"""The import contracts of setup.cfg hold."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_import_contracts_hold():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 2 kept, 0 broken." in done.stdout


def test_packages_have_no_module_that_says_nothing():
    """No grab-bags: a module is named for its subject."""
    names = {path.stem for package in ("ledgers", "activities", "rewards", "service")
             for path in (ROOT / package).rglob("*.py")}  # fmt: skip
    assert names.isdisjoint({"utils", "helpers", "common", "misc", "manager"})
