"""Where a history takes place."""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.core.lane.account import LaneSpec
from dispatcher.core.lane.owner import Owner
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.messages.template import VariableLimits
from tests.simulation.opt_outs import OptOuts
from tests.simulation.schedules import Schedules
from tests.simulation.streams.messages import StreamWatch
from tests.simulation.waves import Waves
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import SimVendor
from tests.simulation.world.slowness import Slowness
from tests.simulation.world.world import World

TTL_S: Final = 5.0
BALANCE_INTERVAL_S: Final = 10.0


class Place(msgspec.Struct, frozen=True):
    """What all processes of a history share."""

    world: World
    log: SimLog
    vendor: SimVendor
    batches: dict[int, Batch]
    spec: LaneSpec
    owner_type: type[Owner] = Owner
    cut_by: dict[tuple[str, int], float] = {}  # (owner, n of its intent) -> when the balance it was cut by was computed
    batch_limits: VariableLimits | None = None
    slowness: Slowness = Slowness()
    opt_outs: OptOuts | None = None
    schedules: Schedules | None = None
    waves: Waves | None = None
    streams: StreamWatch | None = None
