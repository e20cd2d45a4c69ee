"""What recipients cost by their carriers' prices."""

from __future__ import annotations

import numpy as np

from dispatcher.core.carriers import Carrier
from dispatcher.core.money.prices import CarrierParts, price_column

PRICES = {"default": 45_000, "telecom": 50_000}


def test_every_carrier_has_its_price_or_the_usual_one():
    column = price_column(PRICES)
    assert column[Carrier.TELECOM] == 50_000
    assert {int(column[carrier]) for carrier in Carrier if carrier is not Carrier.TELECOM} == {45_000}


def test_costs_are_parts_times_price_and_add_up():
    counted = CarrierParts()
    carriers = np.array([Carrier.MOBILE, Carrier.TELECOM, Carrier.MOBILE], np.uint8)
    counted.add(carriers, 3)
    counted.add(carriers, np.array([1, 2, 4]))
    costs = {cost.carrier: cost for cost in counted.costs(PRICES)}
    assert list(costs) == ["mobile", "telecom"]
    assert (costs["mobile"].recipients, costs["mobile"].parts, costs["mobile"].cost_micro_yuan) == (4, 11, 495_000)
    assert (costs["telecom"].recipients, costs["telecom"].parts, costs["telecom"].cost_micro_yuan) == (2, 5, 250_000)
