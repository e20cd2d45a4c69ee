"""Waves as people write them, and who is in which."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dispatcher.core.waves.plan import Group, Share, WavesBroken, groups, membership, parse, sizes

NUMBERS = np.arange(13_800_000_000, 13_800_100_000)


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("1 %, 10 %, rest", (Share(Fraction(1, 100)), Share(Fraction(1, 10)))),
        ("0.5%,Rest", (Share(Fraction(1, 200)),)),
        ("500, 10%, rest", (Share(Fraction(0), 500), Share(Fraction(1, 10)))),
        ("1,000, rest", (Share(Fraction(0), 1000),)),
    ],
)
def test_waves_are_shares_or_numbers_and_a_rest(text: str, shares: tuple[Share, ...]) -> None:
    assert parse(text) == shares


@pytest.mark.parametrize(
    "text",
    ["", "rest", "1 %", "1 %, 2 %", "0 %, rest", "60 %, 40 %, rest", "x, rest", "-1 %, rest", "1%," * 10 + "rest"],
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(WavesBroken):
        parse(text)


def test_every_recipient_is_in_one_wave() -> None:
    assert sizes(parse("1 %, 10 %, rest"), 10_000) == (100, 1_000, 8_900)
    assert sizes(parse("1 %, rest"), 3) == (1, 2)
    with pytest.raises(WavesBroken, match="too small"):
        sizes(parse("500, rest"), 500)


def test_texts_share_every_wave_but_the_last() -> None:
    assert groups((5, 95), 2) == (Group(1, 0, 3), Group(1, 1, 2), Group(2, None, 95))
    assert groups((5, 95)) == (Group(1, 0, 5), Group(2, 0, 95))
    with pytest.raises(WavesBroken):
        groups((1, 99), 2)


def test_a_group_has_exactly_its_recipients_wherever_they_are_in_the_list() -> None:
    found = membership(iter([NUMBERS[:30_000], NUMBERS[30_000:]]), "may", (1_000, 10_000, 89_000))
    assert np.bincount(found).tolist() == [1_000, 10_000, 89_000]
    order = np.random.default_rng(1).permutation(len(NUMBERS))
    assert (membership(iter([NUMBERS[order]]), "may", (1_000, 10_000, 89_000)) == found[order]).all()


def test_a_wave_is_a_random_sample_and_another_one_in_the_next_campaign() -> None:
    may, june = (membership(iter([NUMBERS]), campaign, (10_000, 90_000)) == 0 for campaign in ("may", "june"))
    halves = may.reshape(2, -1).sum(axis=1)
    assert abs(int(halves[0]) - int(halves[1])) < 400
    assert 800 < int((may & june).sum()) < 1_200
