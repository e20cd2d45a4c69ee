"""The command works wherever it is installed and called from, although the packages have everyday names."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["schemas", "dispatcher", "producers", "consumers", "loadtest"]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "COV_"))}
    return subprocess.run(
        [str(each) for each in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        ROOT,
        cwd=folder,
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("sms_dispatcher-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a virtual environment with the wheel; its dependencies are those the tests run with."""
    venv = tmp_path_factory.mktemp("venv")
    assert run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv).returncode == 0
    bin = venv / "bin"
    done = run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        bin / "python",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=venv,
    )
    assert done.returncode == 0, done.stderr
    site = next(venv.glob("lib/python*/site-packages"))
    here = next(path for path in sys.path if Path(path, "aiokafka").is_dir())
    (site / "dependencies.pth").write_text(f"{here}\n", encoding="utf-8")
    return bin


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    """A folder in which every package name is taken by something that fails when imported."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the decoy was imported')\n", encoding="utf-8")
    return tmp_path


@pytest.fixture(params=["editable", "wheel"])
def bin(request: pytest.FixtureRequest) -> Path:
    if request.param == "editable":
        return Path(sys.executable).parent
    folder: Path = request.getfixturevalue("installed")
    return folder


def test_the_command_tells_its_version_from_a_folder_of_decoys(bin: Path, decoys: Path) -> None:
    done = run(bin / "dispatcher", "--version", cwd=decoys)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("dispatcher ")


def test_every_command_loads_from_a_folder_of_decoys(bin: Path, decoys: Path) -> None:
    done = run(bin / "dispatcher", "--help", cwd=decoys)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_wheel_carries_the_five_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_carries_every_scenario(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = {
            name for name in archive.namelist() if name.startswith("loadtest/scenarios/") and name.endswith(".toml")
        }
    there = {f"loadtest/scenarios/{path.name}" for path in (ROOT / "loadtest" / "scenarios").glob("*.toml")}
    assert carried == there
    assert len(there) >= 7


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_says_that_the_package_is_typed(package: str, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert f"{package}/py.typed" in archive.namelist()


@pytest.mark.parametrize("package", PACKAGES)
def test_an_installed_wheel_does_not_use_the_checkout(package: str, installed: Path, tmp_path: Path) -> None:
    done = run(installed / "python", "-P", "-c", f"import {package}; print({package}.__file__)", cwd=tmp_path)
    assert done.stdout.startswith(str(installed.parent)), done.stderr
