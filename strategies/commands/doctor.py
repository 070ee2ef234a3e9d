"""`huracan doctor`: does this machine have what the product needs."""

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.console import emit, table
from engine.contract.errors import CheckFailed, HuracanError, broken
from engine.policy.registry import policies
from engine.policy.session import PolicySession
from strategies.commands.options import Json, application

app = application("Check this machine.")

CORE = ("nautilus_trader", "onnxruntime", "numpy", "pandas", "pyarrow", "msgspec", "plotly")
TRAIN = ("torch", "torchrl", "tensordict", "onnx", "onnxscript", "safetensors")
FREE_GB = 1.0
SAMPLE = Path(__file__).resolve().parents[2] / "catalogs" / "sample"


@app.command()
def doctor(as_json: Json = False) -> None:
    """Run every check; exit code 3 when one that the core needs fails."""
    checks = [
        _check("python", _python),
        *(_check(package, partial(importlib.metadata.version, package)) for package in CORE),
        *(_check(f"{package} (train)", partial(_optional, package)) for package in TRAIN),
        _check("accelerator", _accelerator),
        _check("disk", _disk),
        _check("sample catalog", _sample),
        _check("released policies", _policies),
    ]
    emit(
        {"checks": checks},
        as_json,
        lambda: table(
            ("check", "", "detail"), [(c["name"], "ok" if c["ok"] else "FAILED", c["detail"]) for c in checks]
        ),
    )
    failed = [str(check["name"]) for check in checks if not check["ok"]]
    if failed:
        raise CheckFailed(
            broken("every check", "pass", f"failed: {', '.join(failed)}", remedy="see their detail above")
        )


def _check(name: str, probe: Callable[[], str]) -> dict[str, str | bool]:
    try:
        return {"name": name, "ok": True, "detail": probe()}
    except (HuracanError, OSError, importlib.metadata.PackageNotFoundError) as error:
        return {"name": name, "ok": False, "detail": str(error) or type(error).__name__}


def _python() -> str:
    found = platform.python_version()
    if sys.version_info < (3, 13):
        raise HuracanError(broken("Python", "be 3.13 or later", found, remedy="make setup finds one"))
    return found


def _optional(package: str) -> str:
    if importlib.util.find_spec(package) is None:
        return "absent: back tests run, training needs the extra train"
    return importlib.metadata.version(package)


def _accelerator() -> str:
    if importlib.util.find_spec("torch") is None:
        return "unknown without torch"
    found = sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*"))
    return ", ".join(found) if found else "none: training runs on the CPU"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < FREE_GB:
        raise HuracanError(broken("free disk", f"be at least {FREE_GB:g} GB", f"{free:.1f} GB", str(Path.cwd())))
    return f"{free:.0f} GB free"


def _sample() -> str:
    from catalogs.quality import check

    quality = check(SAMPLE)
    if not quality.passed:
        raise HuracanError(
            broken("sample catalog", "pass its check", "altered", str(SAMPLE), "python -m catalogs.sample")
        )
    return f"{quality.rows:,} rows"


def _policies() -> str:
    names = [PolicySession(folder).name for folder in policies() if "released" in folder.parts]
    if not names:
        raise HuracanError(broken("released policies", "be in models/released", "none"))
    return ", ".join(names)
