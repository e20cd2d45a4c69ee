"""Which messages are an opt-out: the whole message, however it is written; and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.opt_out import WORDS, OptOutWords, folded
from schemas.records import Inbound

DEFAULT = OptOutWords()


def said(text: str, number: str = "13800138000", part: tuple[int, int, int] | None = None) -> Inbound:
    return Inbound(account="spring", number=number, text=text, to="1069", at_ms=1, received_ms=2, part=part)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("TD", "TD"),
        ("td", "TD"),
        (" Td\r\n", "TD"),
        ("ＴＤ", "TD"),
        ("ｔｄ。", "TD"),
        ("“TD”", "TD"),
        ("【退订】", "退订"),
        ("退订！", "退订"),
        ("退订\u3000", "退订"),
        ("\ufeff退订\u200b", "退订"),
        ("TD❤\ufe0f", "TD"),
        ("退订1\ufe0f\u20e3", "退订"),
        ("退\u034f订", "退订"),
        ("T\u061cD", "TD"),
        ("👍🏽TD\U000e0020", "TD"),
        ("T", "T"),
        ("t.", "T"),
        ("n", "N"),
        ("'N'", "N"),
        ("R", "R"),
        ("ｒ", "R"),
        ("回R", "R"),
        ("回 r！", "R"),
        ("回复TD", "TD"),
        ("回复：退订", "退订"),
        ("TDZD", "TDZD"),
        ("tdzd。", "TDZD"),
        ("退订，谢谢！", "退订"),
        ("退订谢谢您", "退订"),
        ("TD 谢谢🙏", "TD"),
        ("谢谢，TD", "TD"),
        ("谢谢退订", "退订"),
        ("N thanks", "N"),
        ("Thank you. TD", "TD"),
        ("T,thx!!", "T"),
        ("🙏谢谢 回T 多谢了😊", "T"),
    ],
)
def test_an_opt_out_is_recognised_however_it_is_written(text, word):
    assert DEFAULT.word(text) == word


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "。",
        "T D",
        "TDX",
        "退",
        "订",
        "退 订",
        "请退订",
        "回T退订",
        "NO",
        "no thanks",
        "1",
        "+",
        "TD TD",
        "\ufffd\ufffd",
    ],
)
def test_anything_else_is_a_message(text):
    assert DEFAULT.word(text) is None


def test_the_words_are_those_of_the_configuration():
    words = OptOutWords(["STOP", "0000"])
    assert [words.word(text) for text in ("stop.", "００００", "TD")] == ["STOP", "0000", None]
    assert OptOutWords([]).word("TD") is None


@pytest.mark.parametrize("word", ["", " ", "。", "+-"])
def test_a_word_without_a_letter_or_a_digit_is_refused(word):
    with pytest.raises(ValueError, match="no letter"):
        OptOutWords(["TD", word])


AROUND = st.text(st.sampled_from(" \t\n。，！？、,.!?\"'“”《》【】（）()-~…\u3000"), max_size=4)


@given(st.sampled_from(WORDS), AROUND, AROUND, st.booleans())
def test_what_stands_around_a_word_does_not_count(word, before, behind, upper):
    assert DEFAULT.word(before + (word.upper() if upper else word.lower()) + behind) == word


@given(st.text(max_size=20))
def test_folding_twice_is_folding_once_and_no_text_breaks_it(text):
    once = folded(text)
    assert folded(folded(once)) == folded(once)
    assert len(DEFAULT.opt_outs([said(text)])) == (DEFAULT.word(text) is not None)


def test_senders_are_gathered_by_word_each_once():
    found = DEFAULT.opt_outs(
        [said("TD"), said("hello", "13800138009"), said("td", "8613800138001"), said("退订"), said("TD")]
    )
    assert [(each.word, each.numbers.tolist()) for each in found] == [
        ("TD", [13_800_138_000, 13_800_138_001]),
        ("退订", [13_800_138_000]),
    ]


def test_a_part_of_a_long_message_and_a_sender_without_a_number_are_none():
    assert DEFAULT.opt_outs([said("T", part=(7, 2, 1)), said("TD", "A1")]) == []
    assert len(DEFAULT.opt_outs([said("T", part=(7, 1, 1))])) == 1


@pytest.mark.parametrize(
    "text",
    [
        "请退订", "回T退订", "TD TD", "T D", "T 不要再发了", "请不要发短信了", "别发了", "please stop",
        "STOP!", "我要退订你们的短信", "退订退订", "怎么才能拒收", "unsubscribe me", "回复TD了怎么还发", "td你好",
    ],
)  # fmt: skip
def test_a_longer_message_that_may_ask_for_no_more_texts_is_for_review(text):
    assert DEFAULT.word(text) is None
    assert DEFAULT.for_review(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "TD",
        "退订",
        "回R",
        "好的谢谢",
        "谢谢",
        "thanks",
        "NO",
        "ok",
        "1",
        "收到",
        "nonstop flight",
        "Are you R or T today?",
        "回",
        "今天几点",
    ],
)
def test_other_messages_and_the_words_themselves_are_not_for_review(text):
    assert not DEFAULT.for_review(text)
