"""The codes of HEZHONG: of its answers (vendors.md 2.1) and of its reports (2.3, AMB-X-1, Annexes A and B)."""

from __future__ import annotations

from typing import Final

from dispatcher.vendors.seam.outcomes import OPERATOR_REPORTS
from dispatcher.vendors.seam.vendor import codes, report_codes

# fmt: off
CODES: Final = codes("""
    0   | accepted                  | accepted                             | 提交成功
    -1  | auth                      | wrong account or password            | 帐号或密码错误 | fix username, password
    -2  | auth                      | the account is not in a normal state | 用户状态不正常 | ask the vendor
    -3  | auth                      | our IP address is not registered     | IP鉴权失败 | have our address added
    -4  | balance                   | no credit left                       | 余额不足 | top up the account
    -5  | content                   | forbidden words in the text          | 内容含黑字典 | change the text
    -6  | rejected-permanent        | refused; the document says no reason | 文档未说明 | ask the vendor
    -7  | rejected-permanent        | no numbers in the request            | 号码为空 | report it to us
    -8  | content                   | no text in the request               | 内容为空 | give the campaign a text
    -9  | content                   | the text is too long                 | 内容超过1000字 | shorten the text
    -10 | rejected-permanent/divide | too many numbers in the request      | 号码超过1000个 | lower numbers_per_request
    -11 | rejected-permanent        | wrong extension                      | 扩展号错误 | fix sub
    -12 | rejected-permanent        | refused; the document says no reason | 文档未说明 | ask the vendor
    -13 | rejected-permanent        | refused; the document says no reason | 文档未说明 | ask the vendor
    -99 | retry-later/doubtful      | the vendor's system failed           | 系统异常 | ask the vendor
""")

REPORT_CODES: Final = report_codes(OPERATOR_REPORTS + """
    DELIVRD | delivered      | delivered                                    | 短消息转发成功
    0       | delivered      | delivered (China Unicom, China Telecom)      | 发送成功
    000     | delivered      | delivered                                    | 发送成功
    1       | waiting        | still waiting to be sent (China Unicom)      | 等待发送
    2       | failed         | not delivered (China Unicom)                 | 发送失败
    3       | failed/content | wrong message format (China Telecom)         | 消息格式错
    4       | failed/content | illegal message length (China Telecom)       | 消息长度非法
    5       | failed         | illegal fee code (China Telecom)             | 资费代码非法
    7       | failed         | illegal service id (China Telecom)           | 业务代码非法
    8       | failed/channel | the operator's system is busy                | 系统忙
    10      | failed/auth    | illegal sender's number (China Telecom)      | SP号码非法
    11      | failed/content | illegal character coding (China Telecom)     | 消息编码格式非法
    12      | failed         | illegal fee type (China Telecom)             | 计费类型非法
    13      | failed         | illegal validity time (China Telecom)        | 有效时间非法
    14      | failed         | illegal sending time (China Telecom)         | 定时发送时间非法
    15      | failed/number  | illegal number to be charged (China Telecom) | 计费用户号码非法
    16      | failed/number  | illegal recipient's number (China Telecom)   | 接收用户号码非法
    17      | failed         | the file of recipients cannot be opened      | 不能打开号码文件
    18      | failed         | the file of the message cannot be opened     | 不能打开消息文件
    20      | failed/channel | the vendor could not reach the gateway       | 连接短信网关失败
    21      | failed/auth    | the gateway refused the vendor's log-in      | 认证错
    23      | failed/channel | the operator's queue is full                 | 发送队列满
    25      | failed         | wrong command (China Telecom)                | 命令字错
    26      | failed         | wrong sequence number (China Telecom)        | 序列号错
    29      | failed         | wrong protocol version (China Telecom)       | 版本不匹配
    30      | failed         | illegal message type (China Telecom)         | 消息类型非法
    31      | failed         | illegal priority (China Telecom)             | 优先级非法
    35      | failed         | illegal time format (China Telecom)          | 时间格式非法
    38      | failed         | illegal query type (China Telecom)           | 查询类型非法
    39      | failed         | routing error (China Telecom)                | 路由错误
    40      | failed         | illegal fixed fee (China Telecom)            | 包月费非法
    46      | failed         | illegal source number (China Telecom)        | 源号码非法
    99      | failed/channel | the operator's system failed                 | 系统错误
""")
# fmt: on

OPERATOR_OK: Final = frozenset({"0", "000"})
"""The operators' codes for what the vendor calls DELIVRD."""
