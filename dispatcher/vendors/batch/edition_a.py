"""BATCH-A: the HttpBatchSendSM platform, edition A (vendors.md 3, 8.3). The wire format is in platform.py.

Its document has no HttpVarSM: a personalised campaign sends one request per text, unless `variable_sms` is set.
"""

from __future__ import annotations

from typing import ClassVar, Final

from dispatcher.vendors.batch.platform import NUMBERS_MAX, BatchPlatform
from dispatcher.vendors.seam.vendor import Codes, codes

# fmt: off
CODES: Final = codes("""
    0   | accepted           | accepted                                | 提交成功
    101 | auth               | no such user                            | 无此用户 | fix account
    102 | auth               | wrong password                          | 密码错 | fix pswd
    103 | throttled          | submitting too fast                     | 提交过快 | set flow to the contract's limit
    104 | retry-later        | the vendor's system is busy             | 系统忙 | nothing: it is tried again
    105 | content            | sensitive words in the text             | 敏感短信 | change the text
    106 | content            | wrong text length (over 536 or empty)   | 消息长度错 | shorten the text
    107 | rejected-permanent/divide | wrong numbers in it              | 包含错误的手机号码 | correct the number
    108 | rejected-permanent | wrong count of numbers                  | 手机号码个数错 | set numbers_per_request
    109 | balance            | no credit left                          | 无发送额度 | top up the account
    110 | retry-later/hold=300 | not inside the sending time           | 不在发送时间内 | set send_hours
    111 | balance            | over this month's quota                 | 超出当月发送额度 | raise the quota, or wait
    112 | rejected-permanent | the product is not subscribed           | 无此产品 | fix product
    113 | rejected-permanent | extno is not numeric or of wrong length | extno格式错 | fix extno
    115 | content            | refused by automatic review             | 自动审核驳回 | change the text
    116 | content            | signature illegal or missing            | 签名不合法 | add your 【signature】
    117 | auth               | our IP address is not registered        | IP地址认证错 | have the vendor add our address
    118 | auth               | no permission to send                   | 用户没有发送权限 | ask the vendor
    119 | auth               | the user has expired                    | 用户已过期 | renew the contract
    120 | content            | the text is not in the white list       | 内容不在白名单中 | have it approved
""")
# fmt: on


class BatchA(BatchPlatform, frozen=True, kw_only=True, tag="batch-a"):
    """An account at a BATCH-A platform."""

    balance_interval_s: float | None = 30.0
    """The document suggests 10 s; edition B's 30 s is safe with both (AMB-BATCH-7)."""

    codes: ClassVar[Codes] = CODES
    numbers_usual: ClassVar[int] = NUMBERS_MAX
    query_interval_s_min: ClassVar[float] = 10.0
