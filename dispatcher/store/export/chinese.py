"""What exports say, in Chinese: headers, states and reasons. Meanings of codes are in the vendors' own tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from schemas.states import BY_FILE_SHOWN, EXCLUDED, FREQUENCY_CAP, IN_CAMPAIGN, LEFT_OUT, ON_LIST, REPEATED

HEADERS: Final = {
    "number": "手机号",
    "state": "状态",
    "code": "状态码",
    "meaning": "说明",
    "vendor_id": "供应商消息号",
    "account": "账号",
    "submitted_at": "提交时间",
    "reported_at": "回执时间",
    "parts": "短信条数",
    "parts_delivered": "送达条数",
    "text": "短信内容",
    "row": "行号",
    "value": "原值",
    "repeats": "与此行重复",
    "list": "名单",
    "repeats_list": "与此名单重复",
}

STATES: Final = {
    "queued": "待发送",
    "in_flight": "发送中",
    "accepted": "已提交",
    "delivered": "已送达",
    "failed": "失败",
    "no_report": "无回执",
    "unknown": "未知",
    "cancelled": "已取消",
    "invalid": "无效",
    "duplicate": "重复",
    "suppressed": "已禁发",
}

UNKNOWN_MEANING: Final = "供应商可能已发送，也可能未发送"

_REASONS: Final = {
    "empty": "空",
    "scientific notation": "科学计数法，位数已丢失",
    "no number": "不是号码",
    "too short": "位数不足",
    "too long": "位数过多",
    "not a mobile number": "不是手机号",
    "international": "国际号码，线路不支持",
    "ambiguous international number": "有歧义的国际号码",
    "several numbers in one cell": "一个单元格内有多个号码",
    "other text beside the number": "号码旁有其他文字",
    "something else is wrong with its values": "变量的值有其他问题",
    BY_FILE_SHOWN: "在禁发文件中",
    EXCLUDED: "在排除名单中",
    ON_LIST: "在禁发名单中",
    FREQUENCY_CAP: "已达发送频次上限",
    LEFT_OUT: "发送任务启动后加入禁发名单",
    REPEATED: "消息流中已有此键",
}
_PATTERNS: Final[Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]] = (
    (re.compile(rf"{IN_CAMPAIGN}(.*)"), lambda found: f"属于活动{found[1]}"),
    (re.compile(r"no value for (\{.*\})"), lambda found: f"缺少{found[1]}的值"),
    (
        re.compile(r"(\{.*\}) is (.*), which stands for no value"),
        lambda found: f"{found[1]}为“{found[2]}”，不是有效的值",
    ),
    (re.compile(r"(\{.*\}) has a broken character"), lambda found: f"{found[1]}含有损坏的字符"),
    (
        re.compile(r'(\{.*\}) has (.*), which account "(.*)" cannot carry \((.*)\)'),
        lambda found: f"{found[1]}含有账号“{found[3]}”无法发送的字符（{found[2]}，{found[4]}）",
    ),
    (
        re.compile(r'the text is over the (\d+) characters of account "(.*)"'),
        lambda found: f"短信超过账号“{found[2]}”的{found[1]}字上限",
    ),
)


def reason(english: str) -> str:
    """Why a row was set aside; in English where there are no words for it here."""
    if english in _REASONS:
        return _REASONS[english]
    for pattern, words in _PATTERNS:
        if found := pattern.fullmatch(english):
            return words(found)
    return english
