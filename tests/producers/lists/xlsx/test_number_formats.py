"""Numbers as a spreadsheet shows them, format by format."""

from __future__ import annotations

import pytest

from producers.lists.xlsx.number_formats import BUILT_IN, NumberFormat, general, whole_number

SHOWN = [
    # the format, what is stored, what is shown
    ("General", "13910000001", "13910000001"),
    ("General", "1.3910000001E10", "13910000001"),
    ("General", "202605010000123456", "202605010000123456"),
    ("General", "0.1", "0.1"),
    ("General", "0.30000000000000004", "0.3"),
    ("General", "123456.789012345", "123456.789"),
    ("General", "1E-7", "1E-07"),
    ("General", "-2.50", "-2.5"),
    ("0", "202605010000123", "202605010000123"),
    ("0", "202605010000123456", "202605010000123456"),
    ("0", "2.5", "3"),
    ("000000", "42", "000042"),
    ("0.00", "1.005", "1.01"),
    ("#,##0", "1234567", "1,234,567"),
    ("#,##0.00", "0.5", "0.50"),
    ("#.##", "0.5", ".5"),
    ("0.0#", "1.50", "1.5"),
    ("0%", "0.85", "85%"),
    ("0.0%", "0.8512", "85.1%"),
    ("¥#,##0.00", "1299.5", "¥1,299.50"),
    ("[$¥-804]#,##0.00", "5", "¥5.00"),
    ('"$"#,##0.00', "-5", "-$5.00"),
    ("#,##0.00;[Red]-#,##0.00", "-2.5", "-2.50"),
    ("0.00_);(0.00)", "-5", "(5.00)"),
    ('_ ¥* #,##0.00_ ;_ ¥* -#,##0.00_ ;_ ¥* "-"??_ ;_ @_ ', "1299.5", " ¥1,299.50 "),
    ("000-0000-0000", "13910000001", "139-1000-0001"),
    ('0!.0,"万"', "123456", "12.3万"),
    ('0.0,"K"', "123456", "123.5K"),
    ("0.00E+00", "13910000001", "1.39E+10"),
    ('"No."000', "7", "No.007"),
    ('0"个"', "3", "3个"),
    ('G/通用格式"人"', "5", "5人"),
    ('[>=100]"big";"small"', "5", "small"),
    ("0;;", "0", ""),
    ("hh:mm", "0.6041666666666666", "14:30"),
    ("h:mm:ss", "0.60416667", "14:30:00"),
    ("h:mm AM/PM", "0.75", "6:00 PM"),
    ('上午/下午h"时"mm"分"', "0.75", "下午6时00分"),
    ("[h]:mm:ss", "1.5", "36:00:00"),
    ("mm:ss.0", "0.0007", "01:00.5"),
    ("yyyy-mm-dd;@", "45778", "2025-05-01"),
    ("yyyy/m/d", "45778", "2025/5/1"),
    ('yyyy"年"m"月"d"日"', "45778.5", "2025年5月1日"),
    ("yyyy年m月d日", "45778", "2025年5月1日"),
    ("yyyy\\-mm\\-dd\\ hh:mm:ss", "45778.60416667", "2025-05-01 14:30:00"),
    ("m/d/yy h:mm", "45778.25", "5/1/25 6:00"),
    ("aaaa", "45778", "星期四"),
    ("[$-409]d-mmm", "45778", "1-May"),
    (BUILT_IN[14], "45778", "2025/5/1"),
    (BUILT_IN[20], "0.5", "12:00"),
    (BUILT_IN[58], "45778", "5月1日"),
    ("@", "139", "139"),
]

NOT_FOLLOWED = [
    ("# ?/?", "0.5", "0.5"),
    ("[DBNum1]0", "5", "5"),
    ("d-mmm", "45778", "2025-05-01"),
    ("e", "45778", "45778"),
    ("yyyy-mm-dd", "-1", "-1"),
    ("yyyy-mm-dd", "0.5", "1899-12-31 12:00:00"),
    ("0", "no number", "no number"),
    ("0.00", "1E+40", "1E+40"),
    ("0" * 300, "5", "5"),
]


@pytest.mark.parametrize(("code", "stored", "shown"), SHOWN, ids=[f"{row[0]} of {row[1]}" for row in SHOWN])
def test_a_number_is_shown_as_its_format_says(code, stored, shown):
    found = NumberFormat(code).show(stored)
    assert (found.text, found.followed) == (shown, True)


@pytest.mark.parametrize(("code", "stored", "sent"), NOT_FOLLOWED, ids=[row[0][:20] for row in NOT_FOLLOWED])
def test_a_format_that_is_not_followed_is_said_so(code, stored, sent):
    found = NumberFormat(code).show(stored)
    assert (found.text, found.followed) == (sent, False)


def test_days_of_a_mac_count_from_1904():
    assert NumberFormat("yyyy-mm-dd", date1904=True).show("44316").text == "2025-05-01"


def test_a_format_may_add_to_a_text():
    honoured = NumberFormat('@"先生"')
    assert honoured.changes_text
    assert honoured.show_text("李雷") == "李雷先生"
    assert not NumberFormat("0.00").changes_text
    assert not NumberFormat("@").changes_text


@pytest.mark.parametrize("stored", ["", "x", "1e999999", "nan", "inf", "0x10"])
def test_what_is_no_number_has_no_digits(stored):
    assert whole_number(stored) is None


def test_whole_numbers_keep_all_their_digits():
    assert whole_number("1.39E10") == "13900000000"
    assert whole_number("13910000001.0") == "13910000001"
    assert whole_number("0.5") is None
    assert general("99999999999999999999") == "99999999999999999999"
