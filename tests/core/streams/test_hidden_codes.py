"""Verification codes that the log does not have, as people see their messages."""

from __future__ import annotations

from dispatcher.core.streams.hidden_codes import masked, masked_values, packed, reference
from schemas.records import CodeMade


def test_people_see_stars_in_place_of_a_code() -> None:
    made = CodeMade(
        **dict.fromkeys(("subject", "request", "proof"), b"x"),
        stream="login",
        id=b"\x01",
        mark=b"\x02",
        length=6,
        alphabet="0123456789",
        valid_for_s=1,
        codes_per_hour_max=1,
        tries_max=1,
    )
    assert masked(f"【Shop】{reference(made)} is your code") == "【Shop】****** is your code"
    assert masked("【Shop】⟦code⟧ 4711") == "【Shop】⟦code⟧ 4711"
    assert masked("⟦code 01 02 99999999 0⟧") == "*" * 16
    values = packed(("code", "minutes"), [[reference(made), "1234"], ["5", "5"]])
    assert masked_values(values) == packed(("code", "minutes"), [["******", "1234"], ["5", "5"]])
