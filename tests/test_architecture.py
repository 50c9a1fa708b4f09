"""The import contracts of setup.cfg hold."""

import re
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
    assert "Contracts: 3 kept, 0 broken." in done.stdout


def test_no_statement_elsewhere_names_a_table_of_personal_data():
    """What the contracts see of imports, seen of SQL."""
    tables = "person|personal_value|personal_read|outside_id|subject|delegation|acting_for"
    named = re.compile(rf"\b(FROM|INTO|UPDATE|JOIN|USING|TABLE)\s+({tables})\b")
    packages = ("ledgers", "activities", "rewards", "service")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    inside = ROOT / "service" / "identity"
    naming = {path for path in files if named.search(path.read_text(encoding="utf-8"))}

    assert [str(path) for path in naming if not path.is_relative_to(inside)] == []
    assert naming, "the pattern finds those inside"


def test_packages_have_no_module_that_says_nothing():
    """No grab-bags: a module is named for its subject."""
    names = {path.stem for package in ("ledgers", "activities", "rewards", "service")
             for path in (ROOT / package).rglob("*.py")}  # fmt: skip
    assert names.isdisjoint({"utils", "helpers", "common", "misc", "manager"})
