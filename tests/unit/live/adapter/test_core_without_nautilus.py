import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_core_imports_without_nautilus():
    code = (
        "import sys; sys.modules['nautilus_trader'] = None\n"
        "import live.adapter.core.orders, live.adapter.core.feeds, live.adapter.core.second_gate, live.adapter.core.allowed"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
