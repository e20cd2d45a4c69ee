"""What is learnt of an account's failures."""

from __future__ import annotations

import pytest

from dispatcher.core.waves.learnt import UNLEARNT, Seen, learn


def test_an_account_without_campaigns_has_a_rate_that_is_hardly_known() -> None:
    assert learn([]) == learn([Seen(50, 50)]) == UNLEARNT


def test_many_equal_campaigns_make_the_rate_certain() -> None:
    few, many = learn([Seen(1_000, 20)]), learn([Seen(100_000, 2_000)] * 20)
    assert few.mean == pytest.approx(0.02, rel=0.05)
    assert many.mean == pytest.approx(0.02, rel=0.001)
    assert many.spread < 0.07 < few.spread


def test_campaigns_that_differ_make_it_uncertain() -> None:
    assert learn([Seen(10_000, 100), Seen(10_000, 300)] * 5).spread > 0.5


def test_only_the_newest_campaigns_count() -> None:
    assert learn([Seen(1_000, 10)] * 20 + [Seen(1_000, 900)] * 5).mean == pytest.approx(0.01, rel=0.06)


def test_accounts_on_which_nothing_or_everything_failed_are_possible() -> None:
    assert 0 < learn([Seen(10_000, 0)]).mean < 0.001
    assert learn([Seen(10_000, 10_000)]).mean <= 0.9
