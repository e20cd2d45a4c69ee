"""What recipients cost by their carriers' prices."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from dispatcher.config.file import parse
from dispatcher.core.carriers import Carrier
from dispatcher.core.money.costs import Costs
from dispatcher.core.money.prices import CarrierParts, cost_changes, price_column, prices_of
from dispatcher.vendors.seam.vendor import Vendor
from schemas.records import Leg

PRICES = {"default": 45_000, "telecom": 50_000}


def parse_vendor(keys: dict[str, Any]) -> Vendor:
    account = {"vendor": "batch-a", "url": "http://127.0.0.1:9", "account": "demo", "pswd": "x"}
    return parse({"account": {"spring": account | keys}}, "test").accounts["spring"]


def test_every_carrier_has_its_price_or_the_usual_one():
    column = price_column(PRICES)
    assert column[Carrier.TELECOM] == 50_000
    assert {int(column[carrier]) for carrier in Carrier if carrier is not Carrier.TELECOM} == {45_000}


NEW_YEAR_MS = 1_798_732_800_000  # 2027-01-01 00:00 in Shanghai
DATED = parse_vendor({"price": [{"default": "0.05"}, {"from": date(2027, 1, 1), "default": "0.04", "telecom": "0.06"}]})
LEG = Leg(
    account="spring",
    vendor="batch-a",
    jobs=1,
    recipients=2,
    prices=DATED.prices_at(0),
    price_changes=DATED.price_changes(0),
)


def test_a_price_counts_from_its_first_day_on():
    assert DATED.prices_at(NEW_YEAR_MS - 1) == {"default": 50_000}
    assert DATED.prices_at(NEW_YEAR_MS) == {"default": 40_000, "telecom": 60_000}
    assert [change.from_ms for change in DATED.price_changes(NEW_YEAR_MS - 1)] == [NEW_YEAR_MS]
    assert DATED.price_changes(NEW_YEAR_MS) == ()


def test_a_first_price_with_a_day_counts_before_it_too():
    only = parse_vendor({"price": {"from": "2027-01-01", "default": "0.04"}})
    assert only.prices_at(0) == {"default": 40_000}


def test_a_part_costs_what_its_day_of_sending_says():
    carriers = np.array([Carrier.MOBILE, Carrier.MOBILE, Carrier.TELECOM], np.uint8)
    sent_ms = np.array([NEW_YEAR_MS - 1, NEW_YEAR_MS, NEW_YEAR_MS])
    assert prices_of(LEG, carriers, sent_ms).tolist() == [50_000, 40_000, 60_000]


def test_a_budget_counts_the_price_of_the_moment():
    carriers = np.array([Carrier.MOBILE, Carrier.TELECOM], np.uint8)
    costs = Costs(price_column(LEG.prices)[carriers], cost_changes(LEG, carriers))
    assert costs.at(NEW_YEAR_MS - 1).of(0, 2) == 100_000
    assert costs.at(NEW_YEAR_MS).packed(0, 2).kinds == (40_000, 60_000)
    assert costs.at(NEW_YEAR_MS).affordable(0, 2, 99_999) == 1


def test_costs_are_parts_times_price_and_add_up():
    counted = CarrierParts()
    carriers = np.array([Carrier.MOBILE, Carrier.TELECOM, Carrier.MOBILE], np.uint8)
    counted.add(carriers, 3)
    counted.add(carriers, np.array([1, 2, 4]))
    costs = {cost.carrier: cost for cost in counted.costs(PRICES)}
    assert list(costs) == ["mobile", "telecom"]
    assert (costs["mobile"].recipients, costs["mobile"].parts, costs["mobile"].cost_micro_yuan) == (4, 11, 495_000)
    assert (costs["telecom"].recipients, costs["telecom"].parts, costs["telecom"].cost_micro_yuan) == (2, 5, 250_000)
