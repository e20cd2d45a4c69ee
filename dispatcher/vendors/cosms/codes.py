"""The codes of COSMS: class, meaning, what to do (vendors.md 1.13). An unlisted code is never sent again."""

from __future__ import annotations

from typing import Final

from dispatcher.vendors.seam.vendor import Kind, codes

# fmt: off
CODES: Final = codes("""
    100 | accepted                  | all accepted | 全部成功
    200 | partial                   | some accepted, some not | 部分成功 | look at the account's history
    300 | retry-later               | none accepted; for a query: there is nothing | 全部失败；无数据 | ask the vendor
    201 | auth                      | no such login name | 登录名不存在或为空 | fix login_name
    202 | auth                      | no such enterprise | 企业号不存在或为空 | fix corp_id
    203 | auth                      | wrong password | 密码错误或为空 | fix password
    204 | auth                      | our IP address is not allowed | IP地址非法 | have the vendor add our address
    205 | auth                      | locked: 30 wrong logins today | 登录错误超过30次 | ask the vendor to unlock it
    206 | auth                      | the account has expired | 帐号过期 | renew the contract
    207 | auth                      | the sub-user may not send | 子用户没有发送权限 | have your administrator grant it
    208 | auth                      | the one-time string was refused | MD5str错误 | check the login, or set md5 = false
    400 | auth                      | sending is forbidden | 禁止发送 | ask the vendor
    401 | rejected-permanent        | wrong msgFormat | msgFormat为空或非法 | report it to us
    402 | rejected-permanent        | no numbers in the request | 手机号码为空 | report it to us
    403 | rejected-permanent/divide | too many numbers in the request | 号码超过1000个 | lower numbers_per_request
    404 | rejected-permanent/divide | a wrong domestic number | 国内手机号码非法 | take the number off the list
    405 | content                   | no text in the request | 内容为空 | give the campaign a text
    406 | content                   | the text is too long | 内容超过500字 | shorten the text
    407 | content                   | the text's encoding is wrong | 编码错误或无法识别 | change the text
    408 | rejected-permanent        | wrong sub-number | 子号码错误 | fix sub_number
    409 | rejected-permanent        | wrong kind of message (linkID) | linkID错误 | ask the vendor for this kind
    410 | rejected-permanent        | wrong level (mtLevel) | mtLevel错误 | fix mt_level
    411 | rejected-permanent/divide | not sent to this country | 不支持的国际号码 | take the number off the list
    412 | content                   | the WAP push is not in the right form | PUSH信息格式错误 | write it as TITLE#URL
    413 | rejected-permanent/divide | no China Mobile number for WAP | PUSH只支持移动号码 | take the number off the list
    414 | rejected-permanent        | wrong time, or over the limits | 时间错误或超出限制 | wait a minute, ask for less
    415 | rejected-permanent        | the new login name is not allowed | 新登录名非法 | 2 to 20 letters, digits and _
    416 | rejected-permanent        | the new login name is taken | 新登录名已存在 | choose another
    417 | rejected-permanent        | the new password is not allowed | 新密码非法 | not empty, and without --
    501 | retry-later               | the vendor's system is busy | 系统忙 | if it lasts, ask the vendor
    502 | throttled                 | too fast | 操作过快 | set flow to the contract's limit
    503 | balance                   | no domestic credit left | 企业国内余额不足 | top up the account
    504 | balance                   | the sub-user's credit is used up | 子用户国内余额不足 | raise its quota
    505 | balance/apart             | no international credit left | 企业国际余额不足 | top up the account
    506 | balance/apart             | its international credit is used up | 子用户国际余额不足 | raise its quota
""", other=Kind.UNKNOWN)
# fmt: on
