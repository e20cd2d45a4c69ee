"""What vendors prepare for the chunks of a lane: the message as their driver sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from dispatcher.carriers.lookup import Overrides, carriers_of
from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.lane.effects import Send
from dispatcher.core.messages.personal import Personal
from dispatcher.core.messages.template import Template, parse
from dispatcher.core.money.costs import Costs
from dispatcher.core.money.prices import Column, cost_changes, price_column, segments_of, split_of
from dispatcher.core.numbers import decode
from dispatcher.core.streams.hidden_codes import revealed
from dispatcher.core.streams.messages import AppendedMessages
from dispatcher.core.verification import CodeKeys
from dispatcher.drivers.port import Values
from dispatcher.errors import ConfigError
from dispatcher.vendors.seam.vendor import Message, Vendor, options_for
from schemas.batch import Values as BatchValues
from schemas.records import Appended, Job


class PreparedMessages:
    """What vendors prepare for a chunk, computed on first use and kept if it serves a whole campaign.

    All raise TextError if the account cannot carry it (as when its configuration was changed after the launch).
    """

    def __init__(self, vendors: Mapping[str, Vendor], campaigns: Campaigns, keys: Callable[[], CodeKeys]) -> None:
        """`keys`: the secret of verification codes; it raises ConfigError, and is called if a message has a code."""
        self._vendors = vendors
        self._campaigns = campaigns
        self._keys = keys
        self._prepared: dict[tuple[str, str, int], object] = {}

    def of(self, send: Send) -> tuple[object, Values | None]:
        """(what the vendor prepared for the driver, each recipient's values if their texts differ)."""
        texts = send.texts
        if texts is not None and (text := texts.text) is not None:
            message, _ = self._message(send.campaign, send.account, send.variant)
            return self._vendors[send.account].prepare(msgspec.structs.replace(message, text=text)), None
        key = (send.campaign, send.account, send.variant)
        if key not in self._prepared:
            message, template = self._message(*key)
            vendor = self._vendors[send.account]
            self._prepared[key] = (
                vendor.prepare(message) if texts is None else vendor.prepare_variable(message, template)
            )
        return self._prepared[key], None if texts is None else texts.values

    def personal(self, campaign: str, account: str, values: BatchValues) -> Personal:
        """The texts of a batch as this account sends them. Raises ValueError if they do not fit the campaign."""
        vendor = self._vendors[account]
        _, template = self._message(campaign, account, 0)
        return Personal(values, template.of(values.names), vendor.split, vendor.variable_limits)

    def appended(self, offset: int, record: Appended, ported: Overrides) -> AppendedMessages | None:
        """Messages of a stream as their account sends them; None: its launch is not known. Raises ValueError."""
        known = self._campaigns.get(record.campaign)
        if known is None or known.launched is None or record.account not in self._vendors:
            return None
        personal, values = None, record.values
        if record.coded:
            values = self._with_codes(record)
        if values.names:
            personal = self.personal(record.campaign, record.account, values)
        costs = None
        if known.launched.budget:
            costs = self._costs(known, record.account, 0, record.numbers, values if values.names else None, ported)
        return AppendedMessages(offset, record, personal, costs)

    def _with_codes(self, record: Appended) -> BatchValues:
        try:
            return revealed(record.values, decode(record.numbers), self._keys())
        except ConfigError as error:
            raise ValueError(str(error)) from error

    def has_budget(self, campaign: str) -> bool:
        """Whether what a campaign's recipients cost must be known."""
        launched = self._campaigns.launched(campaign)
        assert launched is not None
        return launched.budget > 0

    def costs(self, job: Job, numbers: bytes, values: BatchValues | None, ported: Overrides) -> Costs:
        """What each recipient of a job's batch costs, for a budget. Raises ValueError.

        A text that is decided later is decided when its batch is fetched.
        """
        known = self._campaigns.get(job.campaign)
        assert known is not None
        return self._costs(known, job.account, known.waves.variant(job.variant), numbers, values, ported)

    def _costs(
        self, known: Campaign, account: str, variant: int, numbers: bytes, values: BatchValues | None, ported: Overrides
    ) -> Costs:
        """What each of these costs at this account; `variant`: the index of the text without values."""
        launched = known.launched
        assert launched is not None
        [leg] = [leg for leg in launched.legs if leg.account == account]
        carriers = carriers_of(decode(numbers), ported)
        parts: Column | int
        if values is None:
            parts = segments_of(launched, leg, variant)
        else:
            _, template = self._message(known.id, account, 0)
            parts = Personal(values, template.of(values.names), split_of(leg)).parts_each
        changes = tuple((from_ms, prices * parts) for from_ms, prices in cost_changes(leg, carriers))
        return Costs(price_column(leg.prices)[carriers] * parts, changes)

    def _message(self, campaign: str, account: str, variant: int) -> tuple[Message, Template]:
        known = self._campaigns.get(campaign)
        assert known is not None
        assert known.launched is not None
        launched = known.launched
        text = launched.texts[variant] if launched.texts else launched.text
        template = parse(text) if launched.variables else Template((text,))
        options = options_for(account, launched.options)
        return Message(text=text, options=options, kind=launched.kind), template
