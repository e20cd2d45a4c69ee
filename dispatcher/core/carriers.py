"""The carriers of a phone number, and their words. Whole columns of numbers: dispatcher/carriers/lookup.py.

Pure, and without numpy. The values stand in columns and in records: a new carrier gets a new value.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Carrier(IntEnum):
    """Whose network a number is on. A virtual operator's number is on the network that carries it.

    UNKNOWN: unallocated, disputed between two sources, for machines or satellites, ported to an unknown carrier,
    or not a mobile.
    """

    UNKNOWN = 0
    MOBILE = 1
    UNICOM = 2
    TELECOM = 3
    BROADNET = 4
    ABROAD = 5

    @property
    def word(self) -> str:
        """The word in configurations, options and `--json`: "mobile"."""
        return self.name.lower()

    @property
    def title(self) -> str:
        """The name on screens: "China Mobile"."""
        return _TITLES[self][0]

    @property
    def chinese(self) -> str:
        """The name in Chinese: "中国移动"."""
        return _TITLES[self][1]


_TITLES: Final = {
    Carrier.UNKNOWN: ("unknown carrier", "未知运营商"),
    Carrier.MOBILE: ("China Mobile", "中国移动"),
    Carrier.UNICOM: ("China Unicom", "中国联通"),
    Carrier.TELECOM: ("China Telecom", "中国电信"),
    Carrier.BROADNET: ("China Broadnet", "中国广电"),
    Carrier.ABROAD: ("abroad", "境外"),
}

CARRIER_WORDS: Final = {carrier.word: carrier for carrier in Carrier}
"""Every carrier by its word."""
