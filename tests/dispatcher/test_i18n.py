"""Texts in the reader's language: of a task, of a request's header, of the environment."""

from __future__ import annotations

import asyncio

import pytest

from dispatcher.i18n import _, current_language, language_asked, language_is, ngettext


def test_a_text_is_in_the_language_of_the_task() -> None:
    assert _("Sign in") == "Sign in"
    with language_is("zh"):
        assert _("Sign in") == "登录"
        assert ngettext("{n} record behind", "{n} records behind", 2).format(n=2) == "落后 2 条记录"
        with language_is("fr"):
            assert _("Sign in") == "Sign in"
        assert _("no such text") == "no such text"
    assert ngettext("{n} day", "{n} days", 1) == "{n} day"


async def test_tasks_do_not_mix_their_languages() -> None:
    async def reader(language: str) -> str:
        with language_is(language):
            await asyncio.sleep(0)
            return _("Sign in")

    assert [*await asyncio.gather(reader("zh"), reader("en"))] == ["登录", "Sign in"]
    assert current_language() == "en"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("fr, zh;q=0.5", "zh"),
        ("en;q=0.1, zh;q=0.7", "zh"),
        ("zh;q=0, en", "en"),
        ("zh;q=high", None),
        ("fr", None),
        ("", None),
    ],
)
def test_the_language_that_a_browser_prefers(header: str, language: str | None) -> None:
    assert language_asked(header) == language
