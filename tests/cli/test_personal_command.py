"""Personalised campaigns on the command line: what the plan shows, what is refused and how, what `show` says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import main
from tests.cli.campaigns import configured

TEXT = "【Shop】Dear {name}, order {order} {{x}}"
ROWS = "手机号,name,order\n13800138000,Ann,1\n13800138001,李雷,2\n13800138002,,3\n13800138003,Bob,4\n13800138004,{},5\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configured(tmp_path, monkeypatch)
    (tmp_path / "orders.csv").write_text(ROWS.format("x" * 60), "utf-8")
    return tmp_path


def launch(*arguments: str, text: str = TEXT) -> Result:
    given = ["campaign", "launch", "orders.csv", "--text", text, "--route", "spring", *arguments]
    return CliRunner().invoke(main, given)


@pytest.mark.usefixtures("folder")
def test_the_plan_shows_three_texts_as_they_will_arrive_and_the_longest():
    done = launch("--dry-run")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    at = lines.index("preview     【Shop】Dear Ann, order 1 {x}")
    assert lines[at + 1 : at + 4] == [
        "            【Shop】Dear 李雷, order 2 {x}",
        "            【Shop】Dear Bob, order 4 {x}",
        f"longest     【Shop】Dear {'x' * 60}, order 5 {{x}}",
    ]
    assert "            1 no value for {name}" in lines
    assert "text        up to 84 characters, 2 segments per message" in lines


@pytest.mark.usefixtures("folder")
def test_the_plan_as_json_has_the_same():
    plan = json.loads(launch("--dry-run", "--json").output)
    assert len(plan["samples"]) == 3
    assert plan["longest"].startswith("【Shop】Dear xxx")
    assert (plan["segments"], plan["messages"], plan["requests"]) == (2, 5, 4)
    assert plan["invalid_reasons"] == {"no value for {name}": 1}


@pytest.mark.usefixtures("folder")
def test_show_says_what_is_personal():
    assert launch("--yes", "--id", "june").exit_code == 0
    shown = CliRunner().invoke(main, ["campaign", "show", "june"]).output
    assert "【Shop】Dear {name}, order {order} {{x}}  (up to 2 messages per recipient)" in shown
    assert "{name}, {order} from each recipient's row" in shown
    told = json.loads(CliRunner().invoke(main, ["campaign", "show", "june", "--json"]).output)
    assert (told["text"], told["variables"], told["segments"]) == (TEXT, ["name", "order"], 2)


@pytest.mark.usefixtures("folder")
def test_the_same_command_again_launches_nothing_and_other_values_are_refused(folder):
    assert launch("--yes", "--id", "june").exit_code == 0
    assert "already launched" in launch("--yes", "--id", "june").output
    (folder / "orders.csv").write_text(ROWS.format("y" * 60), "utf-8")
    again = launch("--yes", "--id", "june")
    assert again.exit_code == 2
    assert "other numbers or values" in again.output


@pytest.mark.usefixtures("folder")
def test_the_export_has_everybodys_text_on_demand(folder):
    assert launch("--yes", "--id", "june").exit_code == 0
    plain = CliRunner().invoke(main, ["campaign", "export", "june", "--state", "queued"])
    assert "Dear" not in plain.output
    given = ["campaign", "export", "june", "--texts", "--state", "queued,invalid", "-o", "june.csv"]
    assert CliRunner().invoke(main, given).exit_code == 0
    with (folder / "june.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["number"] or row["value"], row["text"]) for row in csv.DictReader(file)]
    assert rows == [
        ("13800138000", "【Shop】Dear Ann, order 1 {x}"),
        ("13800138001", "【Shop】Dear 李雷, order 2 {x}"),
        ("13800138003", "【Shop】Dear Bob, order 4 {x}"),
        ("13800138004", f"【Shop】Dear {'x' * 60}, order 5 {{x}}"),
        ("13800138002", ""),
    ]


@pytest.mark.usefixtures("folder")
def test_the_export_of_a_plain_campaign_has_its_text_on_demand():
    assert launch("--yes", "--id", "june", text="{{hi}}").exit_code == 0
    shown = CliRunner().invoke(main, ["campaign", "export", "june", "--texts", "--format", "ndjson"]).output
    assert {json.loads(line)["text"] for line in shown.splitlines()} == {"{hi}"}


MISTAKES = [
    ("Dear {nmae}", [], "Did you mean {name}? Write {{nmae}} to send the braces as they are."),
    ("Dear {name", [], "Write {{ and }} to send braces as they are."),
    ("hi", ["--extno", "12345"], 'account "spring": extno must be 1 to 3 digits'),
    ("hi", ["--sub", "x"], 'account "spring": extno must be 1 to 3 digits'),
    ("hi", ["--option", "sprng.extno=1"], "not in the route (spring)"),
    ("hi", ["--option", "spring.colour=red"], 'has no option "colour"'),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("text", "arguments", "words"), MISTAKES, ids=[row[2] for row in MISTAKES])
def test_a_mistake_is_one_sentence_with_what_to_do(text, arguments, words):
    done = launch("--dry-run", *arguments, text=text)
    assert done.exit_code == 2
    assert words in done.output.replace("\n", " ")
    assert "Traceback" not in done.output


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "options"),
    [(["--extno", "12"], {"spring.extno": "12"}), (["--option", "spring.product=7"], {"spring.product": "7"})],
)
def test_options_of_an_account_are_kept_as_its_own(arguments, options):
    assert launch("--yes", "--id", "june", *arguments, text="hi").exit_code == 0
    assert json.loads(CliRunner().invoke(main, ["campaign", "show", "june", "--json"]).output)["options"] == options
