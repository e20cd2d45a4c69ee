"""The driver of an account, by what carries its vendor's interface."""

from __future__ import annotations

from dispatcher.drivers.http.driver import HttpDriver
from dispatcher.vendors.seam.vendor import HttpVendor, Vendor


def driver_of(vendor: Vendor, account: str) -> HttpDriver:
    """A driver of this account, not opened yet."""
    assert isinstance(vendor, HttpVendor)
    return HttpDriver(vendor, account)
