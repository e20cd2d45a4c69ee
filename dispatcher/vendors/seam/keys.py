"""Checks of the keys of `[account.NAME]` that several vendors have."""

from __future__ import annotations

import ipaddress
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from dispatcher.vendors.seam.vendor import HttpVendor, Vendor


def wrong_key(vendor: Vendor) -> str | None:
    """One sentence that names the wrong key among those of every vendor, or None."""
    flow = vendor.flow
    if flow is not None and (flow.limit < 1 or flow.per_s <= 0):
        return "flow needs a limit of 1 or more and per_s above 0; leave flow out to send unpaced."
    if not vendor.connect_timeout_s > 0:
        return "connect_timeout_s must be above 0 (seconds)."
    if vendor.attempts_max < 1:
        return "attempts_max must be 1 or more."
    if not vendor.give_up_after_s >= 0:
        return "give_up_after_s must be 0 or more (seconds)."
    if vendor.opt_out_footer != vendor.opt_out_footer.strip() or "\n" in vendor.opt_out_footer:
        return "opt_out_footer must be one line without blanks around it, for example 拒收请回复R."
    if vendor.send_hours is not None:
        opens, closes = vendor.send_hours
        if not 0 <= opens < closes <= 24:
            return "send_hours must be [FROM, TO] with 0 <= FROM < TO <= 24, for example [8, 21]."
    if vendor.price is not None:
        prices = vendor.dated_prices
        if not prices or not all(each.default for each in prices):
            return 'price.default must be an amount in CNY, for example "0.045".'
        if any(each.since is None for each in prices[1:]):
            return "price: of several prices each but the first needs its first day, for example from = 2026-12-01."
        if any(one.from_ms >= other.from_ms for one, other in pairwise(prices)):
            return "price: write the prices in the order of their days (from), each day once."
        try:
            for each in prices:
                each.by_carrier()
        except ValueError as error:
            return f"price: {error}."
    return None


def wrong_http_key(vendor: HttpVendor) -> str | None:
    """One sentence that names the wrong key among those of every vendor that speaks HTTP, or None."""
    try:
        url = urlsplit(vendor.url)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or url.query or url.fragment or url.username:
        return 'url must be http://HOST[:PORT] or https://HOST[:PORT], without "?", "#" or a password in it.'
    for name in ("timeout_s", "keepalive_s"):
        if not getattr(vendor, name) > 0:
            return f"{name} must be above 0 (seconds)."
    if vendor.inflight_max < 1:
        return "inflight_max must be 1 or more."
    for source in vendor.push_from:
        try:
            ipaddress.ip_network(source, strict=False)
        except ValueError:
            return f'push_from: "{source}" is no address and no network (203.0.113.7, 203.0.113.0/24).'
    most = vendor.limits.numbers_max
    if vendor.numbers_per_request is not None and not 1 <= vendor.numbers_per_request <= most:
        return f"numbers_per_request must be 1 to {most}: the vendor takes no more in one request."
    return None
