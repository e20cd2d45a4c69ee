"""The terms of a campaign, to launch another one like it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dispatcher.errors import UserError
from dispatcher.service.campaigns.cloning import campaign_terms
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from producers.drafts.api import draft, draft_of_terms, launch_draft
from producers.drafts.terms import request_of
from tests.service.place import ACCOUNT, FIRST, configured, launched


async def test_a_draft_and_its_launch_are_cloned_with_every_term(tmp_path: Path) -> None:
    request = LaunchRequest(
        numbers=[FIRST, FIRST + 1],
        text="【Shop】hello {{you}}",
        route=[ACCOUNT],
        id="may",
        by="ann",
        weight=4,
        between="09:00-18:00",
        waves="50 %, rest",
    )
    async with open_session(configured(tmp_path)) as session:
        await draft(session, request)
        terms = await campaign_terms(session, "may")
        assert (terms["between"], terms["waves"], terms["weight"], "by" in terms) == (
            "09:00-18:00",
            "50 %, rest",
            4,
            False,
        )
        await launch_draft(session, "may", by="ben")
        assert await campaign_terms(session, "may") == terms
        await draft_of_terms(session, "june", terms, lists=[_list(tmp_path)])
        assert await campaign_terms(session, "june") == terms


async def test_a_launch_without_a_draft_is_cloned_as_it_was_launched(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", recipients=40, urgent=True, more_texts=["【Shop】{{b}}"])
        terms = await campaign_terms(session, "may")
        assert terms["more_texts"] == ["【Shop】{{b}}"]
        assert (terms["route"], terms["urgent"], terms["class"], "budget" in terms) == (
            [ACCOUNT],
            True,
            "marketing",
            False,
        )
        msgs = request_of(msgspec.json.encode(terms), "june", [[FIRST]], "ann")
        assert msgs.text == "【Shop】hello"
        with pytest.raises(UserError, match="no campaign"):
            await campaign_terms(session, "nobody")


def _list(folder: Path) -> str:
    file = folder / "list.txt"
    file.write_text(f"{FIRST}\n{FIRST + 1}\n")
    return str(file)
