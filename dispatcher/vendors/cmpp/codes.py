"""What CMPP answers and reports (vendors.md 6.5, 6.7, 6.8 and Annex A).

A Result of SUBMIT_RESP is a code as it is; a Status of CONNECT_RESP is `login` and the number.
"""

from __future__ import annotations

from typing import Final

from dispatcher.vendors.seam.outcomes import OPERATOR_REPORTS, codes, report_codes

LOGIN: Final = "login "

# fmt: off
CODES: Final = codes("""
    0       | accepted           | taken                                  | 正确
    1       | rejected-permanent | the structure of the message is wrong  | 消息结构错 | report it to us
    2       | rejected-permanent | the gateway does not know the command  | 命令字错 | ask the operator for its version
    3       | rejected-permanent | the sequence number was used before    | 消息序号重复 | ask the operator
    4       | rejected-permanent | the length of the message is wrong     | 消息长度错 | report it to us
    5       | rejected-permanent | the fee code is wrong                  | 资费代码错 | fix fee_code and fee_type
    6       | content            | the text is too long for the gateway   | 超过最大信息长 | shorten the text
    7       | rejected-permanent | the Service_Id is wrong                | 业务代码错 | fix service_id
    8       | throttled          | too fast                               | 流量控制错 | lower flow
    9       | rejected-permanent | another error                          | 其他错误 | ask; add it to results
    login 1 | rejected-permanent | the structure of the login is wrong    | 消息结构错 | report it to us
    login 2 | auth               | our sp_id or our address is not known  | 非法源地址 | fix sp_id; register us
    login 3 | auth               | the shared secret is wrong             | 认证错 | fix secret
    login 4 | rejected-permanent | the gateway does not speak our version | 版本太高 | lower version
    login 5 | retry-later        | refused, as for too many connections   | 其他错误 | lower connections
""")

REPORT_CODES: Final = report_codes(OPERATOR_REPORTS + """
    DELIVRD | delivered         | delivered                                 | 短消息转发成功
""")
# fmt: on
