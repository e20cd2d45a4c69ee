"""Sets of numbers in files: what is in them, how often a number is in several, and what they cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.caps import number_set
from dispatcher.caps.number_set import NumberSet, SetBroken, at_least, times_in, write_set

FIRST, LAST = 13_000_000_000, 19_999_999_999
ABROAD = 10**15 + 447_700_900_000
some = st.one_of(
    st.integers(FIRST, FIRST + 70_000),
    st.integers(LAST - 70_000, LAST),
    st.integers(FIRST, LAST),
    st.integers(FIRST + (1 << 32) - 3, FIRST + (1 << 32) + 3),
    st.integers(ABROAD, ABROAD + 5),
)
numbers = st.sets(some, max_size=40)


def made(path: Path, members: set[int] | list[int]) -> NumberSet:
    write_set(path, np.array(sorted(members), np.int64))
    return NumberSet(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sets")


@settings(deadline=None, max_examples=25)
@given(
    st.lists(numbers, min_size=1, max_size=4),
    numbers,
    st.sampled_from([0, 1 << 30]),
    st.integers(1, 4),
    st.sampled_from([20, 24, 30]),
)
def test_each_number_is_counted_once_for_each_set_that_has_it(folder: Path, members, asked, many, times, bits):
    wanted = np.array(sorted(asked | set().union(*members)), np.int64)
    expected = [sum(number in each for each in members) for number in wanted.tolist()]
    domestic = wanted[wanted < 2 * 10**10]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_set, "MANY", many)
        patch.setattr(number_set, "RANGE_BITS_MIN", bits)
        patch.setattr(number_set, "RANGE_BITS_MAX", bits)
        sets = [made(folder / f"{index}", each) for index, each in enumerate(members)]
        scanned = number_set._scanned(times, sets, domestic).tolist()
    assert times_in(sets, wanted).tolist() == expected
    over = [count >= times for count in expected]
    assert at_least(times, sets, wanted).tolist() == over
    assert scanned == over[: len(domestic)]


def test_many_numbers_cost_two_bytes_each_and_an_index(tmp_path: Path):
    count = number_set.MANY
    members = FIRST + np.arange(count, dtype=np.int64) * 34_999
    write_set(tmp_path / "many", members)
    assert (tmp_path / "many").stat().st_size <= 2 * count + 450_000
    write_set(tmp_path / "few", members[:1000])
    assert (tmp_path / "few").stat().st_size <= 4 * 1000 + 100
    assert len(NumberSet(tmp_path / "many")) == count
    assert times_in([NumberSet(tmp_path / "many")], members).all()
    assert not times_in([NumberSet(tmp_path / "many")], members + 1).any()


def test_the_file_is_a_function_of_its_numbers(tmp_path: Path):
    members = np.array([FIRST + 5, ABROAD, FIRST, FIRST + 5], np.int64)
    write_set(tmp_path / "one", members)
    write_set(tmp_path / "other", np.sort(members)[::-1])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("content", [b"", b"NUMBERS1", b"x" * 200])
def test_a_file_that_is_no_set_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(SetBroken):
        NumberSet(tmp_path / "broken")


def test_a_file_that_is_cut_is_refused(tmp_path: Path):
    made(tmp_path / "whole", {FIRST, LAST})
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-8])
    with pytest.raises(SetBroken, match="is cut"):
        NumberSet(tmp_path / "cut")
