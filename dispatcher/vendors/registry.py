"""All vendors, one line each. `BY_TAG` is what `[account.NAME] vendor = "…"` may name (dispatcher/config/file.py)."""

from __future__ import annotations

from typing import Final

from dispatcher.vendors.batch.edition_a import BatchA
from dispatcher.vendors.batch.edition_b import BatchB
from dispatcher.vendors.cosms.vendor import Cosms
from dispatcher.vendors.guodu.vendor import Guodu
from dispatcher.vendors.hezhong.vendor import Hezhong
from dispatcher.vendors.seam.vendor import Vendor

VENDORS: Final[tuple[type[Vendor], ...]] = (BatchA, BatchB, Cosms, Hezhong, Guodu)
BY_TAG: Final[dict[str, type[Vendor]]] = {str(vendor.__struct_config__.tag): vendor for vendor in VENDORS}
