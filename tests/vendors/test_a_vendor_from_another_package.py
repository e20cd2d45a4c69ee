"""A vendor may come from another package: the one in docs/ADDING_A_VENDOR.md is built, installed and used."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from urllib.request import urlopen

import pytest

from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.errors import ConfigError
from dispatcher.vendors import registry
from dispatcher.vendors.seam.vendor import Answer, Message, Secret
from tests.always import ALWAYS_TOML

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ADDING_A_VENDOR.md").read_text(encoding="utf-8")
VENDOR, CASES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(PROJECT,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

COMMAND = (sys.executable, "-c", "from dispatcher.cli import main; main()")
PATIENCE_S = 90.0
NUMBERS = ["13800138000", "13800138001", "13800138002"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page's package is installed in: its wheel, unpacked."""
    project, installed = tmp_path_factory.mktemp("acme"), tmp_path_factory.mktemp("installed")
    (project / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (project / "acme_vendor.py").write_text(VENDOR, encoding="utf-8")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(build, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (project / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(installed)
    return installed


@pytest.fixture
def registry_without_memory() -> Iterator[None]:
    """What the registry found before does not count, and what it finds here does not count afterwards."""
    for function in (registry.find, registry.known):
        function.cache_clear()
    yield
    for function in (registry.find, registry.known):
        function.cache_clear()
    for name in ("acme_vendor", "other_vendor"):
        sys.modules.pop(name, None)


def package(folder: Path, name: str, entry: str, code: str = "") -> None:
    """A package as it looks when it is installed, with one vendor and, if there is `code`, a module `other_vendor`."""
    information = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(f"[dispatcher.vendors]\n{entry}\n", encoding="utf-8")
    if code:
        (folder / "other_vendor.py").write_text(code, encoding="utf-8")


class Stand:
    """The commands, run with the package installed and an account `spring` at its vendor."""

    def __init__(self, installed: Path, folder: Path, url: str, more: str = "") -> None:
        self.folder = folder
        self.env = os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)]), "ACME": "s3cret"}
        self.config = folder / "dispatcher.toml"
        account = f'vendor = "acme"\nurl = "{url}"\nuser = "demo"\npassword = "${{ACME}}"\npush_key = "k3yk3y"\n'
        self.config.write_text(f"{more}\n{ALWAYS_TOML}[account.spring]\n{account}", encoding="utf-8")

    def command(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [*COMMAND, *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            env=self.env,
            cwd=self.folder,
            check=False,
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stderr if code else done.stdout


def test_a_command_explains_the_codes_of_the_vendor(installed: Path, tmp_path: Path) -> None:
    rows = json.loads(Stand(installed, tmp_path, "http://127.0.0.1:1").command("account", "codes", "spring", "--json"))
    assert rows["vendor"] == "acme"
    assert ("-2", "balance", "余额不足") in {(row["code"], row["class"], row["chinese"]) for row in rows["codes"]}


def test_the_cases_of_the_page_hold_for_the_installed_vendor(
    installed: Path, monkeypatch: pytest.MonkeyPatch, registry_without_memory: None
) -> None:
    monkeypatch.syspath_prepend(installed)
    kind: Any = registry.find("acme")
    assert Path(sys.modules[kind.__module__].__file__ or "").parent == installed
    vendor = kind(url="http://127.0.0.1:1", user="demo", password=Secret("s3cret"))
    scope: dict[str, Any] = {"Kind": Kind}
    exec(CASES, scope)
    for name, body, expected, vendor_id in scope["CASES"]:
        flow = vendor.submit(vendor.prepare(Message(text="您好")), memoryview(b"13800138000"), 1)
        next(flow)
        with pytest.raises(StopIteration) as end:
            flow.send(Answer(body))
        assert (end.value.value.kind, end.value.value.vendor_id) == (expected, vendor_id), name


def test_a_misspelt_key_is_answered_with_the_right_one(installed: Path, tmp_path: Path) -> None:
    stand = Stand(installed, tmp_path, "http://127.0.0.1:1")
    stand.config.write_text(stand.config.read_text("utf-8").replace("push_key", "push_kay"), "utf-8")
    said = stand.command("account", "codes", "spring", code=2)
    assert "push_key" in said
    assert said.count("\n") == 1


def test_a_tag_that_is_not_installed_is_answered_with_those_that_are(installed: Path, tmp_path: Path) -> None:
    stand = Stand(installed, tmp_path, "http://127.0.0.1:1")
    stand.config.write_text(stand.config.read_text("utf-8").replace('"acme"', '"acne"'), "utf-8")
    said = stand.command("account", "codes", "spring", code=2)
    assert "write one of: acme, batch-a, batch-b, cmpp, cosms, guodu, hezhong." in said


def test_the_package_is_imported_only_if_its_vendor_is_named(installed: Path, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom dispatcher.config.file import parse\n"
        "def imported(table):\n"
        "    parse({'account': {'a': {'url': 'http://127.0.0.1:1', **table}}}, 'test')\n"
        "    return [name for name in ('acme_vendor', 'dispatcher.vendors.cosms') if name in sys.modules]\n"
        "print(imported({'vendor': 'batch-a', 'account': 'a', 'pswd': 'p'}))\n"
        "print(imported({'vendor': 'acme', 'user': 'u', 'password': 'p'}))\n"
    )
    env = Stand(installed, tmp_path, "http://127.0.0.1:1").env
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['acme_vendor']"]


@pytest.mark.parametrize(
    ("entry", "code", "why"),
    [
        ("acme = other_vendor:Acme", "import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("acme = other_vendor:Acme", "1 / 0", "ZeroDivisionError: division by zero"),
        ("acme = other_vendor:Acme", "x = 1", "AttributeError: module 'other_vendor' has no attribute 'Acme'"),
        ("acme = other_vendor:Acme", "Acme = 1", "other_vendor:Acme is not a Vendor class"),
        (
            "acme = other_vendor:Acme",
            "from dispatcher.vendors.hezhong.vendor import Hezhong as Acme",
            'other_vendor:Acme has the tag "hezhong"',
        ),
        (
            "acme = other_vendor:Acme",
            "from dispatcher.vendors.seam.vendor import Vendor\n"
            "class Acme(Vendor, frozen=True, kw_only=True, tag='acme'): ...",
            "other_vendor:Acme has no codes",
        ),
    ],
    ids=["import", "any error", "no class", "not a vendor", "another tag", "half a vendor"],
)
def test_a_broken_package_is_named_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry_without_memory: None, entry: str, code: str, why: str
) -> None:
    package(tmp_path, "broken-package", entry, code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as error:
        registry.find("acme")
    assert str(error.value) == (
        f'vendor "acme" cannot be used: the package broken-package is broken ({why}). Update or uninstall it.'
    )
    assert registry.known("acme") is None


def test_a_broken_package_ends_a_command_with_that_sentence(tmp_path: Path) -> None:
    package(tmp_path / "installed", "broken-package", "acme = other_vendor:Acme", "1 / 0")
    said = Stand(tmp_path / "installed", tmp_path, "http://127.0.0.1:1").command("account", "list", code=2)
    assert "[account.spring]" in said
    assert "the package broken-package is broken" in said
    assert said.count("\n") == 1


def test_two_packages_with_one_vendor_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry_without_memory: None
) -> None:
    for name in ("one", "two"):
        package(tmp_path / name, f"package-{name}", "acme = other_vendor:Acme", "1 / 0")
        monkeypatch.syspath_prepend(tmp_path / name)
    with pytest.raises(ConfigError, match="packages package-one, package-two"):
        registry.find("acme")


def test_no_package_replaces_a_vendor_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry_without_memory: None
) -> None:
    package(tmp_path, "broken-package", "cosms = other_vendor:Acme", "1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    found = registry.find("cosms")
    assert found is not None
    assert found.__module__ == "dispatcher.vendors.cosms.vendor"
    assert registry.tags().count("cosms") == 1


# --- sending ---------------------------------------------------------------------------------------------------------


class AcmeServer(ThreadingHTTPServer):
    """The vendor: takes everything, and remembers each form it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Send)
        self.forms: list[dict[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Send(BaseHTTPRequestHandler):
    server: AcmeServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
        self.server.forms.append({name: values[0] for name, values in parse_qs(body).items()})
        answer = f"0,{1000 + len(self.server.forms)}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_a_campaign_is_sent_and_its_reports_are_counted(installed: Path, tmp_path: Path) -> None:
    vendor = AcmeServer()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        web = f"127.0.0.1:{probe.getsockname()[1]}"
    stand = Stand(installed, tmp_path, vendor.url, f'[web]\nlisten = "{web}"')
    run = subprocess.Popen(
        [*COMMAND, "run", "--config", str(stand.config), "--json"], stdout=subprocess.PIPE, env=stand.env, cwd=tmp_path
    )
    try:
        assert run.stdout is not None
        assert run.stdout.readline(), "dispatcher run ended"
        (tmp_path / "list.txt").write_text("\n".join(NUMBERS), "ascii")
        stand.command(
            "campaign", "launch", "list.txt", "--id", "hello", "--text", "您好", "--route", "spring", "--yes"
        )  # fmt: skip
        until(lambda: counts(stand)["accepted"] == len(NUMBERS))
        assert [form for form in vendor.forms if form["text"] == "您好"] == [
            {"user": "demo", "password": "s3cret", "text": "您好", "to": ",".join(NUMBERS)}
        ]
        for number in NUMBERS:
            push = f"key=k3yk3y&phone={number}&id=1001&state=DELIVRD&time=1012241002"
            assert urlopen(f"http://{web}/push/spring/report?{push}").status == 200
        until(lambda: counts(stand)["delivered"] == len(NUMBERS))
    finally:
        run.terminate()
        assert run.wait(PATIENCE_S) == 0
        vendor.shutdown()
        vendor.server_close()


def counts(stand: Stand) -> dict[str, int]:
    found: dict[str, int] = json.loads(stand.command("campaign", "show", "hello", "--json"))["counts"]
    return found


def until(condition: Any) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.2)
