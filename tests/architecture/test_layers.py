"""The imports go one way, no pickle is loaded, and every verb of the table exists."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli import VERBS
from engine.policy.manifest import read
from tests.conftest import ROOT

PACKAGES = ("engine", "strategies", "models", "catalogs", "live")


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_import_contracts_hold():
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_core_back_tests_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import engine.cli, strategies.running, strategies.verification, catalogs.commands, engine.policy.session\n"
        "import strategies.policy.strategy, strategies.commands.demo"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_training_imports_without_nautilus():
    code = "import sys; sys.modules['nautilus_trader'] = None\nimport models.training, models.export, models.market, catalogs.arrays"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "pattern",
    [r"pickle\.load", r"torch\.load\(", r"joblib\.load", r"allow_pickle=True", r"np\.load\((?!.*allow_pickle=False)"],
)
def test_no_pickle_is_loaded(pattern):
    assert [path for path in sources() if re.search(pattern, path.read_text())] == []


@pytest.mark.parametrize("pattern", [r"datetime\.(now|utcnow)\(", r"time\.time\(", r"Timestamp\.(now|utcnow)"])
def test_nothing_that_decides_reads_the_wall_clock(pattern):
    deciding = [path for path in sources() if path.parts[len(ROOT.parts)] != "live"]
    assert [path for path in deciding if re.search(pattern, path.read_text())] == []


@pytest.mark.parametrize("module", sorted({module for module, _ in VERBS.values()}))
def test_verb_has_its_application(module):
    assert callable(importlib.import_module(module).app)


def test_released_policies_were_compared_with_the_engine_and_keep_the_degeneracy_gate():
    folders = [path.parent for path in (ROOT / "models" / "released").rglob("manifest.json")]
    assert folders
    for folder in folders:
        evaluation = read(folder).evaluation
        assert evaluation["equivalence"]["passed"], folder
        assert evaluation["equivalence"]["checked"] > 10_000, folder
        assert evaluation["degenerate"] == [], folder
