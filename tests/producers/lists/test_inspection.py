"""Looking at lists before anything is drafted."""

from __future__ import annotations

from pathlib import Path

import xlsxwriter

from dispatcher.service.session import open_session
from producers.lists.inspection import inspect_list
from tests.service.place import configured, launched


async def test_a_list_shows_its_columns_and_what_is_set_aside(tmp_path: Path) -> None:
    file, aside = tmp_path / "list.csv", tmp_path / "aside.csv"
    file.write_text(
        "name,phone,city\nAnn,13800138000,Ulm\nBen,138 0013 8000,Bonn\nEve,12345,Rom\nIda,13900139000,Wien\n"
    )
    async with open_session(configured(tmp_path)) as session:
        found = await inspect_list(session, [str(file)], {}, str(aside))
        assert (found.mistake, found.column, found.header_line) == ("", 2, 1)
        assert [(each.number, each.name, each.samples[0]) for each in found.columns] == [
            (1, "name", "Ann"),
            (2, "phone", "138****8000"),
            (3, "city", "Ulm"),
        ]
        assert (found.rows, found.recipients, found.set_aside) == (4, 2, 2)
        assert {each.state: each.rows for each in found.reasons} == {"invalid": 1, "duplicate": 1}
        assert all(each.chinese for each in found.reasons)
        assert aside.read_text(encoding="utf-8-sig").splitlines()[1:] == [
            "3,138 0013 8000,duplicate,2",
            "4,12345,too short,",
        ]
        named = await inspect_list(session, [str(file), str(file)], {"column": 2, "header_row": 1})
        assert (named.rows, named.recipients) == (8, 2)


async def test_a_list_that_cannot_be_used_says_why_and_shows_what_to_choose_from(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("mine,yours\n13800138000,13900139000\n13800138001,13900139001\n")
    async with open_session(configured(tmp_path)) as session:
        found = await inspect_list(session, [str(file)], {})
        assert "Say which with --column" in found.mistake
        assert [each.samples[0] for each in found.columns] == ["138****8000", "139****9000"]
        assert (found.column, found.rows) == (None, 0)
        assert (await inspect_list(session, [str(file)], {"column": 2})).recipients == 2
        file.write_text("")
        assert "is empty" in (await inspect_list(session, [str(file)], {})).mistake


async def test_a_workbook_shows_its_sheets(tmp_path: Path) -> None:
    file = tmp_path / "list.xlsx"
    with xlsxwriter.Workbook(str(file)) as book:
        for name, number in (("May", "13800138000"), ("June", "13900139000")):
            sheet = book.add_worksheet(name)
            sheet.write_string(0, 0, "phone")
            sheet.write_string(1, 0, number)
    async with open_session(configured(tmp_path)) as session:
        found = await inspect_list(session, [str(file)], {})
        assert found.sheets == ("May", "June")
        assert "Say which with --sheet" in found.mistake
        chosen = await inspect_list(session, [str(file)], {"sheet": "June"})
        assert (chosen.mistake, chosen.sheets, chosen.recipients) == ("", ("May", "June"), 1)
        assert chosen.columns[0].samples == ("139****9000",)


async def test_who_is_on_the_suppression_list_is_counted_apart(tmp_path: Path) -> None:
    import numpy as np

    from dispatcher.service.suppression import change_suppression

    file = tmp_path / "list.txt"
    file.write_text("13800138000\n13900139000\n")
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        await change_suppression(session, np.array([13_800_138_000]), adds=True, source="person", why="asked")
        found = await inspect_list(session, [str(file)], {})
        assert [(each.state, each.rows) for each in found.reasons] == [("suppressed", 1)]
