"""Verification codes, purely: what the order of the log makes of codes and tries, whoever appended them."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.verification import (
    HASH_BYTES,
    HOUR_MS,
    KEPT_MS,
    READ_BACK_MS,
    CodeKeys,
    CodeRules,
    Codes,
    MadeAs,
    TriedAs,
    as_typed,
    code_of,
    new_code,
    partition_of,
)
from schemas.codec import encode
from schemas.records import CodeMade, CodeTried

KEYS = CodeKeys(b"a secret of enough bytes")
NUMBER = 13_800_138_000
RULES = CodeRules()


def made(chance: int, *, number: int = NUMBER, stream: str = "login", key: str = "", **rules: Any) -> CodeMade:
    code_id = chance.to_bytes(16)
    return new_code(KEYS, CodeRules(**rules), number=number, stream=stream, key=key or f"k{chance}", code_id=code_id)


def tried(code: CodeMade, *, right: bool) -> CodeTried:
    return CodeTried(subject=code.subject, id=code.id, right=right)


Records = list[tuple[int, CodeMade | CodeTried]]


def folded(records: Records) -> list[MadeAs | TriedAs | None]:
    codes = Codes()
    return [codes.apply(at_ms, record) for at_ms, record in records]


# --- codes -----------------------------------------------------------------------------------------------------------


def test_a_code_has_its_length_and_alphabet_and_only_its_own_number_and_id_give_it() -> None:
    first = made(1, length=8, alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ23456789")
    code = code_of(KEYS, first)
    assert len(code) == 8
    assert set(code) <= set(first.alphabet)
    assert code == code_of(CodeKeys(b"a secret of enough bytes"), first)
    others = [made(2), made(1, number=NUMBER + 1), made(1, stream="pay")]
    assert code_of(KEYS, others[2]) == code_of(KEYS, made(1))  # the id is random, so the stream need not differ
    assert len({code_of(KEYS, each) for each in others}) == 3
    assert code_of(CodeKeys(b"another secret of bytes"), made(1)) != code_of(KEYS, made(1))


def test_every_digit_is_as_likely_as_any_other_in_every_place() -> None:
    codes = [code_of(KEYS, made(chance)) for chance in range(2_000)]
    for place in range(6):
        counts = Counter(code[place] for code in codes)
        assert set(counts) == set("0123456789")
        assert all(abs(count - 200) < 5 * 13.5 for count in counts.values())  # five standard deviations


def test_neither_a_number_nor_a_code_is_in_a_record() -> None:
    record = made(7)
    for each in (encode(record), encode(tried(record, right=True))):
        assert str(NUMBER).encode() not in each
        assert NUMBER.to_bytes(8) not in each
        assert NUMBER.to_bytes(8, "little") not in each
        assert code_of(KEYS, record).encode() not in each
    assert {len(record.subject), len(record.proof), len(record.request)} == {HASH_BYTES}


def test_another_secret_finds_nothing_and_its_mark_says_why() -> None:
    other = CodeKeys(b"another secret of bytes")
    codes = Codes()
    codes.apply(0, made(1))
    assert codes.newest(other.subject(NUMBER)) is None
    assert codes.marks == {KEYS.mark} != {other.mark}
    codes.apply(KEPT_MS + 1, made(2))
    codes.clear()
    assert not codes.marks


def test_a_secret_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="less than 16 bytes"):
        CodeKeys(b"short")


@pytest.mark.parametrize(
    ("typed", "alphabet", "code"),
    [
        ("123456", RULES.alphabet, "123456"),
        (" 123 456\n", RULES.alphabet, "123456"),
        ("123-456", RULES.alphabet, "123456"),
        ("１２３４５６", RULES.alphabet, "123456"),
        ("abc-123", "ABC123-XYZ0", "ABC-123"),
        ("ABC1", "abcdefghij1", "abc1"),
        ("aB", "abAB123456", "aB"),
        ("١٢٣", RULES.alphabet, "١٢٣"),
        ("\udc80", RULES.alphabet, "\udc80"),
    ],
)
def test_a_code_may_be_typed_with_blanks_hyphens_and_wide_or_other_letters(
    typed: str, alphabet: str, code: str
) -> None:
    assert as_typed(typed, alphabet) == code


@given(st.text(max_size=80))
def test_nothing_but_the_code_is_the_code(typed: str) -> None:
    codes = Codes()
    codes.apply(0, made(3))
    [code] = [codes.newest(KEYS.subject(NUMBER))]
    assert code is not None
    assert KEYS.is_right(code, code_of(KEYS, code.made))
    assert KEYS.is_right(code, typed) == (as_typed(typed, RULES.alphabet) == code_of(KEYS, code.made))


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({}, None),
        ({"length": 3}, "length must be 4 to 16"),
        ({"alphabet": "0123456789 "}, "no blank"),
        ({"alphabet": "01234567"}, "10 to 64 different characters"),
        ({"alphabet": "01234567899"}, "each once"),
        ({"alphabet": "一二三四五六七八九十"}, "of ASCII"),
        ({"valid_for_s": 3_601}, "30 to 3600"),
        ({"codes_per_hour_max": 0}, "1 to 100"),
        ({"tries_max": 21}, "1 to 20"),
    ],
)
def test_rules_that_cannot_be_kept_are_named(rules: dict[str, Any], says: str | None) -> None:
    broken = CodeRules(**rules).broken()
    assert broken is None if says is None else says in str(broken)


# --- what the log makes of them --------------------------------------------------------------------------------------


def test_a_code_is_right_once() -> None:
    code = made(1)
    assert folded([(0, code), (1, tried(code, right=True)), (1, tried(code, right=True))]) == ["new", "yes", "used"]


def test_the_tries_behind_the_last_wrong_one_count_for_nothing() -> None:
    code = made(1, tries_max=3)
    records: Records = [(0, code), *((each, tried(code, right=each > 3)) for each in range(1, 6))]
    assert folded(records) == ["new", "wrong", "wrong", "wrong", "locked", "locked"]


def test_a_code_expires_by_the_log_s_own_clock() -> None:
    code = made(1)
    assert folded([(0, code), (299_999, tried(code, right=True))])[1] == TriedAs.YES
    assert folded([(0, code), (300_000, tried(code, right=True))])[1] == TriedAs.EXPIRED


def test_a_newer_code_of_its_stream_replaces_a_code_and_one_of_another_stream_does_not() -> None:
    login, pay, again = made(1), made(2, stream="pay"), made(3)
    records: Records = [(0, login), (0, pay), (1, again), (2, tried(login, right=True)), (2, tried(pay, right=True))]
    assert folded([*records, (2, tried(again, right=True))])[3:] == ["replaced", "yes", "yes"]


def test_the_same_request_has_one_code_while_that_is_valid() -> None:
    first, second, third = (made(chance, key="order 7") for chance in (1, 2, 3))
    assert folded([(0, first), (1, second), (300_000, third)]) == ["new", "repeated", "new"]
    codes = Codes()
    codes.apply(0, first)
    found = codes.of_request(first.subject, first.request, 299_999)
    assert found is not None
    assert found.made == first
    assert codes.of_request(first.subject, first.request, 300_000) is None
    assert codes.of_request(first.subject, made(4, stream="pay", key="order 7").request, 1) is None


def test_a_number_gets_its_codes_of_an_hour_on_all_streams_together_and_then_waits() -> None:
    codes = Codes()
    for chance in range(5):
        assert codes.wait_ms(KEYS.subject(NUMBER), 5, chance * 1000) == 0
        assert codes.apply(chance * 1000, made(chance, stream=f"s{chance}")) == MadeAs.NEW
    assert codes.wait_ms(KEYS.subject(NUMBER), 5, 10_000) == HOUR_MS - 10_000
    assert codes.apply(HOUR_MS - 1, made(8)) == MadeAs.TOO_MANY
    assert codes.apply(HOUR_MS - 1, made(9, number=NUMBER + 1)) == MadeAs.NEW
    assert codes.wait_ms(KEYS.subject(NUMBER), 5, HOUR_MS) == 1_000  # the one that raced counts, too
    assert codes.apply(HOUR_MS + 1_000, made(10)) == MadeAs.NEW


def test_a_number_with_codes_of_two_streams_has_both_newest_first() -> None:
    codes = Codes()
    login, pay = made(1), made(2, stream="pay")
    for at_ms, record in enumerate((login, pay)):
        codes.apply(at_ms, record)
    assert codes.streams(login.subject, 5) == ["pay", "login"]
    codes.apply(6, tried(pay, right=True))
    assert codes.streams(login.subject, 7) == ["login"]
    newest = codes.newest(login.subject)
    assert newest is not None
    assert newest.made == pay


def test_what_is_old_is_forgotten() -> None:
    codes = Codes()
    for each in range(500):
        codes.apply(each * 60_000, made(each, number=NUMBER + each % 7, codes_per_hour_max=100))
    assert len(codes) <= KEPT_MS // 60_000 + 1
    assert all(1 <= partition_of(KEYS.subject(NUMBER + each)) + 1 <= 8 for each in range(100))


# --- properties ------------------------------------------------------------------------------------------------------

Step = tuple[int, int, int, bool]
STEPS = st.lists(
    st.tuples(st.integers(0, 900_000), st.integers(0, 5), st.integers(0, 3), st.booleans()), min_size=1, max_size=120
)
"""Each: time since the one before, what (a code, or a try of a recent one), on which stream or code, right or not."""


def history(steps: list[Step]) -> Records:
    """Records as careless processes append them: what was read before does not keep them from anything."""
    at_ms = 0
    records: Records = []
    codes: list[CodeMade] = []
    for chance, (gap_ms, what, which, right) in enumerate(steps):
        at_ms += gap_ms
        if what == 0 or not codes:
            codes.append(made(chance, stream=f"s{which % 2}", key=f"{chance // 3}", tries_max=2, codes_per_hour_max=3))
            records.append((at_ms, codes[-1]))
        else:
            records.append((at_ms, tried(codes[-1 - which % len(codes)], right=right)))
    return records


@given(STEPS)
def test_whatever_is_appended_a_code_is_right_once_and_never_tried_too_often(steps: list[Step]) -> None:
    records = history(steps)
    verdicts = folded(records)
    yes: Counter[bytes] = Counter()
    wrong: Counter[bytes] = Counter()
    new: list[int] = []
    for (at_ms, record), verdict in zip(records, verdicts, strict=True):
        match verdict:
            case TriedAs.YES:
                assert wrong[record.id] < 2
                yes[record.id] += 1
            case TriedAs.WRONG:
                assert not yes[record.id]
                wrong[record.id] += 1
            case MadeAs.NEW:
                new.append(at_ms)
    assert max(yes.values(), default=0) <= 1
    assert max(wrong.values(), default=0) <= 2
    assert all(sum(each - HOUR_MS < other <= each for other in new) <= 3 for each in new)


@given(STEPS, st.integers(0, 120))
def test_a_reader_that_begins_late_enough_comes_to_the_same_verdicts(steps: list[Step], back: int) -> None:
    records = history(steps)
    verdicts = folded(records)
    now_ms = records[-1][0] + back * 1000
    begin = next((at for at, (at_ms, _) in enumerate(records) if at_ms >= now_ms - READ_BACK_MS), len(records))
    late = folded(records[begin:])
    recent = [at for at, (at_ms, _) in enumerate(records) if at_ms >= now_ms]
    assert [late[at - begin] for at in recent] == [verdicts[at] for at in recent]


# --- brute force -----------------------------------------------------------------------------------------------------


def test_guessing_through_many_processes_at_once_has_no_more_tries_than_one() -> None:
    """Every process reads the log late, tries what it believes to be possible, and acts on what it reads back."""
    dice = random.Random(7)
    rules = CodeRules(length=1, tries_max=3)
    log: list[CodeMade | CodeTried] = []
    processes = [(Codes(), [0]) for _ in range(8)]
    hits = answered = 0
    for victim in range(400):
        code_id = dice.randbytes(16)
        code = new_code(KEYS, rules, number=NUMBER + victim, stream="login", key="k", code_id=code_id)
        log.append(code)
        guesses = [*range(10), *range(10)]
        dice.shuffle(guesses)
        for turn, guess in enumerate(guesses):  # all read, then all append: none knows the others' tries of this round
            codes, position = processes[turn % 8]
            if turn % 8 == 0 or dice.random() < 0.2:
                for record in log[position[0] :]:
                    codes.apply(0, record)
                position[0] = len(log)
            known = codes.current(code.subject, "login")
            if known is not None and known.refused(0) is None:
                log.append(tried(code, right=KEYS.is_right(known, str(guess))))
        whole = Codes()
        verdicts = Counter(whole.apply(0, record) for record in log)
        assert verdicts[TriedAs.WRONG] <= 3
        assert verdicts[TriedAs.YES] <= 1
        hits += verdicts[TriedAs.YES]
        answered += verdicts[TriedAs.WRONG] + verdicts[TriedAs.YES]
        log.clear()
        for codes, position in processes:
            codes.clear()
            position[0] = 0
    assert answered <= 3 * 400
    assert abs(hits - 120) < 46  # 3 of 10 guesses each, within five standard deviations
