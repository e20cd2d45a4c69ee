"""Drafting, following up and exporting with everything as JSON has it: what pages call in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatcher.errors import UserError
from dispatcher.service.campaigns.drafts import show_draft
from dispatcher.service.campaigns.orders.control import cancel_campaign
from dispatcher.service.session import open_session
from producers.campaigns.export_service import export_results
from producers.drafts.api import draft_of_terms, launch_draft
from producers.segments.follow_up import plan_follow_up_of_terms
from tests.service.place import ACCOUNT, configured

TERMS: dict[str, Any] = {"text": "【Shop】Dear {name}", "route": [ACCOUNT], "class": "notice", "waves": "50 %, rest"}


async def test_a_draft_is_made_from_terms_and_changed_without_its_file(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("name,phone,other\nAnn,13800138000,1\nBen,13800138001,2\nEve,x,3\n")
    async with open_session(configured(tmp_path)) as session:
        made = await draft_of_terms(session, "may", TERMS, lists=[str(file)], choice={"column": 2}, by="ann")
        msgspec.json.encode(made)
        assert (made.campaign, made.recipients, made.replaced) == ("may", 2, False)
        file.unlink()
        changed = await draft_of_terms(
            session, "may", TERMS | {"text": "【Shop】Hello {name}", "weight": 3}, list_of="may", by="ben"
        )
        assert (changed.recipients, changed.replaced) == (2, True)
        view = await show_draft(session, "may")
        assert (view.text, view.weight, view.drafted_by, view.campaign_class) == (
            "【Shop】Hello {name}",
            3,
            "ben",
            "notice",
        )
        with pytest.raises(UserError, match="needs a list"):
            await draft_of_terms(session, "june", TERMS)


async def test_results_are_exported_into_a_private_file(tmp_path: Path) -> None:
    file, out = tmp_path / "list.csv", tmp_path / "out.csv"
    file.write_text("name,phone\nAnn,13800138000\nBen,13800138001\n")
    async with open_session(configured(tmp_path)) as session:
        await draft_of_terms(session, "may", TERMS, lists=[str(file)], by="ann")
        await launch_draft(session, "may", by="ann")
        done = await export_results(session, "may", str(out), "csv", values=True, texts=True, language="zh")
        assert (done.rows, done.damaged) == (2, {})
        assert "13800138000,待发送" in out.read_text(encoding="utf-8-sig")
        assert "【Shop】Dear Ann" in out.read_text(encoding="utf-8-sig")
        assert out.stat().st_mode & 0o077 == 0
        none = await export_results(session, "may", str(out), "xlsx", states=["failed"])
        assert none.rows == 0
        for wrong in ({"kind": "pdf"}, {"kind": "csv", "states": ["lost"]}):
            with pytest.raises(UserError):
                await export_results(session, "may", str(out), **wrong)
        await cancel_campaign(session, "may")
        with pytest.raises(UserError, match="less than a minute ago"):
            await plan_follow_up_of_terms(session, {"campaign": "may", "to": ["left"]})
