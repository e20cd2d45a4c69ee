"""The vendor in docs/ADDING_A_VENDOR.md is run as it is printed there."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.vendors.seam.vendor import Answer, Message, Push, Refusal, ReportRow, Secret

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ADDING_A_VENDOR.md").read_text(encoding="utf-8")
VENDOR, CASES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def acme() -> Any:
    module = sys.modules["acme"] = types.ModuleType("acme")
    exec(VENDOR, module.__dict__)  # the page's own code
    return module.Acme(url="http://127.0.0.1:1", user="demo", password=Secret("s3cret"), push_key=Secret("k3y"))


def cases() -> list[Any]:
    scope: dict[str, Any] = {"Kind": Kind}
    exec(CASES, scope)
    return list(scope["CASES"])


@pytest.mark.parametrize(("body", "kind", "vendor_id"), [case[1:] for case in cases()], ids=[c[0] for c in cases()])
def test_the_pages_cases_hold_for_the_pages_vendor(acme, body, kind, vendor_id):
    flow = acme.submit(acme.prepare(Message(text="您好")), memoryview(b"13800138000"), 1)
    request = next(flow)
    assert request.prefix == b"user=demo&password=s3cret&text=%E6%82%A8%E5%A5%BD&to="
    with pytest.raises(StopIteration) as end:
        flow.send(Answer(body))
    assert (end.value.value.kind, end.value.value.vendor_id) == (kind, vendor_id)


def test_the_pages_vendor_is_a_configuration_and_reads_reports(acme):
    assert acme.check() is None
    assert acme.tag == "acme"
    table = {"vendor": "acme", "url": "http://127.0.0.1:1", "user": "a", "password": "b"}
    assert msgspec.convert(table, type(acme), dec_hook=lambda kind, value: kind(value)).user == "a"
    query = b"key=k3y&phone=%2B8613800138000&id=9&state=PENDING&time=1012241002"
    assert acme.report_push(Push("spring", "GET", query, b"", "", 1)) == [
        ReportRow("9", 13_800_138_000, 0, "PENDING", 1_293_156_120)
    ]
    assert isinstance(acme.report_push(Push("spring", "GET", query.replace(b"k3y", b"x"), b"", "", 1)), Refusal)


def test_every_common_key_and_every_class_is_on_the_page():
    from dispatcher.vendors.seam.vendor import HttpVendor

    for field in msgspec.structs.fields(HttpVendor):
        assert f"`{field.name}`" in PAGE
    for kind in Kind:
        if kind not in (Kind.NOT_SENT, Kind.PARTIAL):
            assert f"`{kind.value}`" in PAGE


def test_the_pages_vendor_advises_on_every_code_that_is_not_accepted(acme):
    assert all(row.advice or row.kind is Kind.ACCEPTED for row in acme.codes.rows.values())


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=lambda command: command[0])
def test_the_pages_vendor_passes_the_linter_as_it_is_printed(command):
    ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", "dispatcher/vendors/acme/vendor.py", "-"]
    done = subprocess.run(ruff, input=VENDOR, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
