"""The driver of an account, by what carries its vendor's interface."""

from __future__ import annotations

from dispatcher.drivers.http.driver import HttpDriver
from dispatcher.drivers.link.driver import LinkDriver
from dispatcher.vendors.seam.link import LinkVendor
from dispatcher.vendors.seam.vendor import HttpVendor, Vendor


def driver_of(vendor: Vendor, account: str) -> HttpDriver | LinkDriver:
    """A driver of this account, not opened yet."""
    match vendor:
        case HttpVendor():
            return HttpDriver(vendor, account)
        case LinkVendor():
            return LinkDriver(vendor, account)
    raise TypeError(f"vendor {vendor.tag} is neither an HttpVendor nor a LinkVendor")
