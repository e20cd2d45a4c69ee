"""Sets of numbers in files: what is in them, how often a number is in several, and what they cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.caps import number_set
from dispatcher.caps.number_set import NumberSet, SetBroken, SetOfMany, common, open_set, set_of, times_in

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
    set_of(np.array(sorted(members), np.int64)).write(path)
    return open_set(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sets")


def as_many(members: set[int]) -> NumberSet:
    """The set in the form for many, in blocks of three."""
    many, inside = SetOfMany(), sorted(each for each in members if each <= LAST)
    for start in range(0, len(inside), 3):
        many.add(np.array(inside[start : start + 3], np.uint64) - np.uint64(FIRST))
    return many.made(np.array(sorted(members - set(inside)), np.int64))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(numbers, min_size=1, max_size=4),
    numbers,
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.integers(1, 4),
    st.sampled_from([1, 3, 1_000]),
)
def test_each_number_is_counted_once_for_each_set_that_has_it(folder: Path, members, asked, many, times, in_a_range):
    wanted = np.array(sorted(asked | set().union(*members)), np.int64)
    expected = [sum(number in each for each in members) for number in wanted.tolist()]
    over = [count >= times for count in expected]
    sets = [as_many(each) if many[index] else made(folder / f"{index}", each) for index, each in enumerate(members)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_set, "RANGE_MEMBERS", in_a_range)
        often = common(times, sets)
        domestic = wanted[wanted <= LAST] - FIRST
        found = [often.has_ascending(domestic).tolist(), often.has(domestic).tolist()]
        packed = made(folder / "over", set(wanted[over].tolist())).has_ascending(domestic).tolist()
    assert times_in(sets, wanted).tolist() == expected
    assert found == [over[: len(domestic)]] * 2
    assert packed == over[: len(domestic)]
    assert often.abroad.tolist() == [each for each in wanted[over].tolist() if each > LAST]
    assert len(often) == sum(over)


def test_many_numbers_cost_two_bytes_each_and_an_index(tmp_path: Path):
    count = number_set.MANY
    members = FIRST + np.arange(count, dtype=np.int64) * 34_999
    set_of(members).write(tmp_path / "many")
    assert (tmp_path / "many").stat().st_size <= 2 * count + 450_000
    set_of(members[:1000]).write(tmp_path / "few")
    assert (tmp_path / "few").stat().st_size <= 4 * 1000 + 100
    many = open_set(tmp_path / "many")
    assert len(many) == count
    assert times_in([many], members).all()
    assert not times_in([many], members + 1).any()
    assert many.has_ascending(members - FIRST).all()
    assert not many.has_ascending(members - FIRST + 1).any()


def test_the_file_is_a_function_of_its_numbers(tmp_path: Path):
    members = np.array([FIRST + 5, ABROAD, FIRST, FIRST + 5], np.int64)
    set_of(members).write(tmp_path / "one")
    set_of(np.sort(members)[::-1]).write(tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("content", [b"", b"NUMBERS1", b"x" * 200])
def test_a_file_that_is_no_set_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(SetBroken):
        open_set(tmp_path / "broken")


def test_a_file_that_is_cut_is_refused(tmp_path: Path):
    made(tmp_path / "whole", {FIRST, LAST})
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-8])
    with pytest.raises(SetBroken, match="is cut"):
        open_set(tmp_path / "cut")
