"""The pins say what pyproject.toml says, each with its hashes, and need nothing that is not pinned."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
LISTS = sorted(REQUIREMENTS.glob("*.txt"))
# What is installed together, and must be complete without anything else.
INSTALLED_TOGETHER = [["build"], ["runtime"], ["build", "runtime"], ["build", "runtime", "dev"]]
PLATFORMS = [("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64")]
PYTHONS = ["3.11.0", "3.11.7", "3.12.1", "3.13.0"]
ENVIRONMENTS: dict[str, dict[str, str]] = {
    f"{python} on {platform} {machine}": {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": platform,
    }
    for python in PYTHONS
    for platform, system, machine in PLATFORMS
}


def requirements_of(file: Path) -> list[Requirement]:
    """The requirements in a list or in what it was made from, without hashes, comments and constraints."""
    joined = file.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.partition("#")[0].partition("--hash")[0].strip() for line in joined.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-c")]


def pins(lists: list[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The version of each package that these lists install in this environment."""
    return {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for name in lists
        for pin in requirements_of(REQUIREMENTS / f"{name}.txt")
        if pin.marker is None or pin.marker.evaluate({**environment})
    }


def not_pinned(wanted: list[Requirement], pinned: dict[str, str], environment: Mapping[str, str]) -> set[str]:
    """What these requirements need, also through extras and other packages, and the pins don't satisfy."""
    missing, seen = set(), set()
    waiting = [(requirement, "the list") for requirement in wanted]
    while waiting:
        requirement, wanted_by = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({**environment, "extra": ""}):
            continue
        if name not in pinned or not requirement.specifier.contains(pinned[name], prereleases=True):
            missing.add(f"{requirement} (for {wanted_by})")
            continue
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                for line in distribution(name).requires or ():
                    needed = Requirement(line)
                    if needed.marker is None or needed.marker.evaluate({**environment, "extra": extra}):
                        needed.marker = None
                        waiting.append((needed, name))
    return missing


def test_the_runtime_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {Requirement(line).name for line in project["dependencies"]}
    assert {requirement.name for requirement in requirements_of(REQUIREMENTS / "runtime.in")} == wanted


@pytest.mark.parametrize("file", LISTS, ids=lambda file: file.name)
def test_every_wanted_package_is_pinned(file: Path) -> None:
    wanted = {canonicalize_name(requirement.name) for requirement in requirements_of(file.with_suffix(".in"))}
    assert wanted <= {canonicalize_name(pin.name) for pin in requirements_of(file)}


@pytest.mark.parametrize("file", LISTS, ids=lambda file: file.name)
def test_every_pin_is_exact_and_hashed(file: Path) -> None:
    joined = file.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    assert [line for line in lines if not re.match(r"[\w.-]+==\S+\s.*--hash=sha256:[0-9a-f]{64}", line)] == []


@pytest.mark.parametrize("lists", INSTALLED_TOGETHER, ids="+".join)
@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=list(ENVIRONMENTS))
def test_the_pins_need_nothing_that_is_not_pinned(environment: Mapping[str, str], lists: list[str]) -> None:
    pinned = pins(lists, environment)
    everything = [Requirement(f"{name}=={version}") for name, version in pinned.items()]
    asked_for = [each for name in lists for each in requirements_of(REQUIREMENTS / f"{name}.in")]
    assert len(pinned) >= len(asked_for)
    assert not_pinned(everything + asked_for, pinned, environment) == set()


def test_the_tests_run_with_the_pinned_versions() -> None:
    """What the packages need is read from those installed here, so these must be the pinned ones."""
    environment = ENVIRONMENTS["3.11.7 on linux x86_64"]
    pinned = pins(["build", "runtime", "dev"], environment)
    assert {name: distribution(name).version for name in pinned} == pinned


def test_a_package_that_no_pin_satisfies_is_found() -> None:
    environment = ENVIRONMENTS["3.11.7 on linux x86_64"]
    pinned = pins(["build", "runtime", "dev"], environment)
    wanted = [Requirement("pytest-cov"), Requirement("aiohttp[speedups]")]
    assert not_pinned(wanted, {**pinned, "coverage": "1.0"}, environment) >= {"coverage[toml]>=7.10.6 (for pytest-cov)"}
    assert any(each.endswith("(for aiohttp)") for each in not_pinned(wanted, pinned, environment))
