"""Packaging without a machine of its own: units that systemd takes, steps of the image, an upgrade and the way back."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGING = ROOT / "packaging"
UNITS = sorted((PACKAGING / "systemd").glob("*.service"))
HARDENED = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "CapabilityBoundingSet=\n",
)


def bash(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_is_hardened_and_calls_verbs_that_exist(unit: Path) -> None:
    from engine.cli import VERBS

    text = unit.read_text()
    assert [line for line in HARDENED if line not in text] == []
    (verb,) = re.findall(r"^ExecStart=/opt/huracan/current/huracan (\w+)", text, re.MULTILINE)
    assert verb in VERBS


def test_session_is_started_again_on_failure_but_not_where_a_person_is_needed() -> None:
    text = (PACKAGING / "systemd" / "huracan@.service").read_text()
    assert "Restart=on-failure\n" in text
    assert "RestartPreventExitStatus=2 3\n" in text
    assert "ExecStart=/opt/huracan/current/huracan keep ${MODE} /etc/huracan/%i.toml\n" in text


def test_steps_of_the_image_are_the_script() -> None:
    text = (PACKAGING / "container" / "Containerfile").read_text()
    runs = [line for line in text.splitlines() if line.startswith("RUN ")]
    assert runs == ["RUN bash /src/packaging/container/build.sh /src /opt/huracan && rm -rf /src"]
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


@pytest.mark.parametrize("script", sorted(PACKAGING.rglob("*.sh")), ids=lambda path: path.name)
def test_script_is_bash(script: Path) -> None:
    assert bash("-n", script).returncode == 0


@pytest.mark.slow
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyse = shutil.which("systemd-analyze")
    if analyse is None:
        pytest.skip("systemd-analyze is not on this machine")
    for path in (PACKAGING / "systemd").iterdir():
        text = path.read_text().replace("/opt/huracan/current/huracan", "/usr/bin/true")
        text = re.sub("^User=.*\nGroup=.*\n", "", text, flags=re.MULTILINE)
        (tmp_path / path.name.replace("@", "@x")).write_text(text)
    units = sorted(path.name for path in tmp_path.iterdir())
    done = subprocess.run(
        [analyse, "verify", "--man=no", *units], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_image_is_built_upgraded_and_rolled_back(tmp_path: Path) -> None:
    prefix, state = tmp_path / "opt", tmp_path / "state"
    own = {"HURACAN_PACKAGES": sysconfig.get_path("purelib"), "PYTHON": sys.executable}
    built = bash(PACKAGING / "container" / "build.sh", ROOT, prefix, state, **own)
    assert built.returncode == 0, built.stderr
    assert (state / "var").is_dir()
    listed = subprocess.run(
        [prefix / "current" / "huracan", "policy", "list"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert "trend" in listed.stdout
    missing = bash(PACKAGING / "switch.sh", prefix, "2")
    assert (missing.returncode, "release must be installed" in missing.stderr) == (2, True)
    again = bash(PACKAGING / "install.sh", ROOT, prefix, "image", **own)
    assert (again.returncode, "release must be new" in again.stderr) == (2, True)
    shutil.copytree(prefix / "releases" / "image", prefix / "releases" / "2", symlinks=True)
    for name, current in (("2", "releases/2"), ("back", "releases/image"), ("back", "releases/2")):
        switched = bash(PACKAGING / "switch.sh", prefix, name)
        assert switched.stdout == f"current is {current}\n", switched.stderr
        assert os.readlink(prefix / "current") == current
