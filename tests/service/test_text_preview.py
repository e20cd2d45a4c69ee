"""A text before it is drafted."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.file import parse
from dispatcher.errors import UserError
from dispatcher.service.session import Session
from dispatcher.service.text_preview import preview_text
from tests.always import ALWAYS
from tests.service.place import configured

COLUMNS = {"Name": ["Ann", "Benedict"], "City": ["Ulm"]}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(configured(tmp_path))


def test_a_text_is_measured_on_every_account(session: Session) -> None:
    found = preview_text(session, "【Shop】hello 拒收请回复R", recipients=1_000)
    [on] = found.accounts
    assert (found.chars, found.variables, found.samples, found.mistake) == (
        18,
        (),
        ("【Shop】hello 拒收请回复R",),
        None,
    )
    assert (on.account, on.parts, on.cost_micro_yuan, on.mistake) == ("spring", 1, None, None)
    assert preview_text(session, "x" * 71).accounts[0].parts == 2
    assert "shorten the text by" in str(preview_text(session, "x" * 5_000).accounts[0].mistake)


def test_a_personal_text_is_shown_with_the_values_of_the_first_rows(session: Session) -> None:
    found = preview_text(session, "Dear {name} of {2}, {{hi}}", columns=COLUMNS)
    assert found.samples == ("Dear Ann of Ulm, {hi}", "Dear Benedict of {2}, {hi}")
    assert (found.variables, found.missing) == (("name", "2"), ())
    assert preview_text(session, "Dear {age}", columns=COLUMNS).missing == ("age",)
    assert preview_text(session, "Dear {age}").missing == ()


@pytest.mark.parametrize(("text", "says"), [(" ", "the text is empty"), ("{name", "that nothing closes")])
def test_what_is_no_text_says_why(session: Session, text: str, says: str) -> None:
    assert says in str(preview_text(session, text).mistake)


def test_a_route_is_judged_by_its_accounts_and_costs_by_their_prices(tmp_path: Path) -> None:
    account = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "secret"}
    table = {
        "account": {"spring": account | {"price": {"default": "0.05"}}, "summer": account},
        "log": {"url": f"sqlite:{tmp_path}/log.db"},
    }
    session = Session(parse(table | ALWAYS, str(tmp_path / "dispatcher.toml")))
    [on] = preview_text(session, "【Shop】hello", route=["spring"], recipients=100).accounts
    assert (on.price_micro_yuan, on.cost_micro_yuan) == (50_000, 5_000_000)
    with pytest.raises(UserError, match="nobody"):
        preview_text(session, "x", route=["nobody"])
