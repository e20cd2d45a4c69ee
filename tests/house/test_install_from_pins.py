"""`make` installs the pins, and only them, with the pip that comes with this Python, whatever was released since.

The index is a folder of stand-ins: every pinned release under its own metadata, and a newer release of each package.
A stand-in's contents are one file that leads to the packages that the tests run with; uv leads to the real uv.
"""

from __future__ import annotations

import base64
import ensurepip
import hashlib
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)
HASHES = re.compile(r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+")
PROJECT = ["Makefile", "pyproject.toml", "README.md", "LICENSE", "scripts", "requirements"]
HATCH = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
PACKAGES = HATCH["build"]["targets"]["wheel"]["packages"]


def stand_in(name: str, version: str, folder: Path) -> str:
    """Writes a wheel with the metadata of the installed distribution, and returns its hash."""
    escaped = name.replace("-", "_").replace(".", "_")
    metadata = distribution(name).read_text("METADATA") or ""
    metadata = re.sub(r"^Version: .*$", f"Version: {version}", metadata, count=1, flags=re.MULTILINE)
    files = {
        f"{escaped}.pth": "\n".join({str(distribution(name).locate_file("")) for name in ("click", "hatchling")}),
        f"{escaped}-{version}.dist-info/METADATA": metadata,
        f"{escaped}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if name == "uv":
        files[f"uv-{version}.data/scripts/uv"] = f'#!/bin/sh\nexec "{Path(sys.executable).parent / "uv"}" "$@"\n'
    record = f"{escaped}-{version}.dist-info/RECORD"
    files[record] = "".join(f"{file},{record_hash(text)},{len(text.encode())}\n" for file, text in files.items())
    files[record] += f"{record},,\n"
    path = folder / f"{escaped}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            member = zipfile.ZipInfo(file)
            member.external_attr = 0o100755 << 16
            wheel.writestr(member, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record_hash(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def pinned(*lists: str) -> dict[str, str]:
    texts = [(ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8") for name in lists]
    found: dict[str, str] = {canonicalize_name(name): version for text in texts for name, version in PIN.findall(text)}
    return {name: version for name, version in found.items() if name != "colorama"}  # Windows only


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout whose pins have the hashes of the stand-ins in `index`."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in PROJECT:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    for name in PACKAGES:
        (folder / name).symlink_to(ROOT / name)
    (folder / "index").mkdir()
    hashes = {
        (name, version): stand_in(name, version, folder / "index")
        for name, version in pinned("setup", "build", "runtime", "dev").items()
    }
    for name in {name for name, _ in hashes}:
        stand_in(name, "9999.0", folder / "index")
    for file in (folder / "requirements").glob("*.txt"):
        lines = re.split(r"(?<=\n)(?=\S)", file.read_text(encoding="utf-8"))
        file.write_text("".join(with_hash(line, hashes) for line in lines), encoding="utf-8")
    return folder


def with_hash(pin: str, hashes: dict[tuple[str, str], str]) -> str:
    match = PIN.match(pin)
    found = hashes.get((canonicalize_name(match[1]), match[2])) if match else None
    return HASHES.sub(f" --hash=sha256:{found}", pin) if found else pin


def make(checkout: Path, target: str, *arguments: str) -> str:
    """The output of `make target` as a user runs it whose pip is configured to install from `index` alone."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "UV_", "PYTHON", "MAKE", "MFLAGS", "COV_", "VIRTUAL_ENV"))
    }
    environment |= {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": f"{checkout}/no-such-folder {checkout}/index",
        "PIP_NO_CACHE_DIR": "1",
        "PYTHON": str(getattr(sys, "_base_executable", sys.executable)),
    }
    done = subprocess.run(
        ["make", target, *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def installed(checkout: Path) -> dict[str, str]:
    """What is installed in the checkout's .venv, except what `python -m venv` puts there."""
    found: dict[str, str] = {}
    for folder in checkout.glob(".venv/lib/python*/site-packages/*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
        found[canonicalize_name(name)] = version
    assert found.pop("pip") == ensurepip.version()
    found.pop("setuptools", None)
    return found


def test_make_installs_the_pins_although_every_package_has_a_newer_release(checkout: Path) -> None:
    project = {"sms-dispatcher": distribution("sms-dispatcher").version}
    assert make(checkout, ".venv/.runtime").startswith("dispatcher ")
    assert installed(checkout) == pinned("setup", "build", "runtime") | project

    make(checkout, "setup")
    assert installed(checkout) == pinned("setup", "build", "runtime", "dev") | project
    assert "dispatcher demo" in make(checkout, "demo", "ARGS=--help")


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "pinned_uv.py"))


PIP_LISTING = """\
:env:.disable-pip-version-check='1'
:env:.find-links='/ /no/such/folder https://127.0.0.1/links'
global.cert='/certificates.pem'
global.extra-index-url='\\nhttps://127.0.0.1/a\\nhttps://127.0.0.1/b'
global.find-links='/never'
global.index-url='https://127.0.0.1/global'
global.proxy='http://127.0.0.1:3128'
install.index-url="https://user:it's@127.0.0.1/install"
install.trusted-host='127.0.0.1\\nlocalhost'
freeze.timeout='1'
global.timeout='60'
"""


def test_uv_is_told_what_pip_is_configured_with(script: dict[str, Any]) -> None:
    assert script["uv_variables"](script["pip_options"](PIP_LISTING), {}) == {
        "UV_DEFAULT_INDEX": "https://user:it's@127.0.0.1/install",
        "UV_INDEX": "https://127.0.0.1/a https://127.0.0.1/b",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/,https://127.0.0.1/links",
        "UV_INSECURE_HOST": "127.0.0.1 localhost",
        "UV_HTTP_TIMEOUT": "60",
        "SSL_CERT_FILE": "/certificates.pem",
        "HTTP_PROXY": "http://127.0.0.1:3128",
        "HTTPS_PROXY": "http://127.0.0.1:3128",
    }


@pytest.mark.parametrize(
    ("name", "gives_way"),
    [
        ("UV_DEFAULT_INDEX", {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_STRATEGY"}),
        ("UV_INDEX_URL", {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_STRATEGY"}),
        ("UV_FIND_LINKS", {"UV_FIND_LINKS"}),
        ("SSL_CERT_DIR", {"SSL_CERT_FILE"}),
        ("HTTPS_PROXY", {"HTTPS_PROXY"}),
    ],
)
def test_what_is_set_for_uv_has_precedence(script: dict[str, Any], name: str, gives_way: set[str]) -> None:
    options = script["pip_options"](PIP_LISTING)
    all_variables = script["uv_variables"](options, {})
    assert set(all_variables) - set(script["uv_variables"](options, {name: "mine"})) == gives_way


def test_a_folder_of_certificates_is_passed_on_as_one(script: dict[str, Any], tmp_path: Path) -> None:
    assert script["uv_variables"]({"cert": str(tmp_path)}, {})["SSL_CERT_DIR"] == str(tmp_path)


def test_the_certificates_that_requests_is_given_are_pips(script: dict[str, Any]) -> None:
    environment = {"REQUESTS_CA_BUNDLE": "/certificates.pem"}
    assert script["uv_variables"]({}, environment)["SSL_CERT_FILE"] == "/certificates.pem"


def test_pip_without_configuration_leaves_uv_its_own(script: dict[str, Any]) -> None:
    assert script["uv_variables"](script["pip_options"](""), {}) == {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_uv_needs_no_other_package() -> None:
    assert distribution("uv").requires is None
    assert set(pinned("setup")) == {"uv"}
