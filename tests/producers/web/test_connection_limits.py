"""Places for connections: never more than allowed, and the right one makes room."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.web.connection_limits import Slot, Slots, bounded_as

PROXY = "10.0.0.1"


class Connections:
    """Slots and what became of the connections in them."""

    def __init__(self, total_max: int, per_address_max: int) -> None:
        self.slots = Slots(total_max, per_address_max, lambda address: address == PROXY)
        self.open: list[Slot] = []
        self.busy: set[Slot] = set()

    def admit(self, address: str, *, known: bool = False, busy: bool = False) -> Slot | None:
        slot = self.slots.admit(address)
        if not isinstance(slot, Slot):
            return None
        slot.end = lambda: self.open.remove(slot)
        slot.idle = lambda: slot not in self.busy
        self.open.append(slot)
        if known:
            self.slots.trust(slot, known=True)
        if busy:
            self.busy.add(slot)
        return slot


def test_the_oldest_stranger_makes_room_for_a_new_connection():
    connections = Connections(3, 3)
    first, second, third = (connections.admit(f"192.0.2.{number}") for number in range(3))
    fourth = connections.admit("192.0.2.9")
    assert connections.open == [second, third, fourth]
    assert (len(connections.slots), connections.slots.made_room) == (3, 1)
    assert first is not None
    assert not first.open


def test_known_clients_stay_while_there_are_strangers_and_the_one_heard_longest_ago_goes_first():
    connections = Connections(4, 4)
    known = [connections.admit("192.0.2.1", known=True) for _ in range(3)]
    connections.admit("192.0.2.2")
    stranger = connections.admit("192.0.2.3")
    assert connections.open == [*known, stranger]
    assert known[0] is not None
    connections.slots.trust(known[0], known=True)  # just heard
    connections.admit("192.0.2.4", known=True)
    connections.admit("192.0.2.5", known=True)
    assert known[0] in connections.open
    assert known[1] not in connections.open


def test_a_known_client_that_waits_for_its_answer_is_never_closed_for_room():
    connections = Connections(2, 2)
    busy = [connections.admit("192.0.2.1", known=True, busy=True) for _ in range(2)]
    assert connections.slots.admit("192.0.2.2") == "too_many_connections"
    assert connections.open == busy


def test_one_address_has_no_more_than_its_bound_and_takes_no_place_of_another():
    connections = Connections(100, 2)
    other = connections.admit("192.0.2.9")
    for _ in range(10):
        connections.admit("192.0.2.1")
    assert len(connections.open) == 3
    assert other in connections.open
    busy = Connections(100, 1)
    busy.admit("192.0.2.1", known=True, busy=True)
    assert busy.slots.admit("192.0.2.1") == "too_many_of_one_address"


def test_a_trusted_proxy_is_bounded_in_total_only():
    connections = Connections(10, 2)
    for _ in range(20):
        connections.admit(PROXY)
    assert len(connections.open) == 10


def test_a_client_that_is_distrusted_is_a_stranger_again():
    connections = Connections(2, 2)
    demoted = connections.admit("192.0.2.1", known=True)
    assert demoted is not None
    connections.slots.trust(demoted, known=False)
    known = connections.admit("192.0.2.1", known=True)
    new = connections.admit("192.0.2.1")
    assert connections.open == [known, new]


def test_silent_ones_are_closed_after_their_time():
    connections = Connections(10, 10)
    slots = [connections.admit("192.0.2.1") for _ in range(3)]
    for slot, since_s in zip(slots, (1.0, None, 5.0), strict=True):
        assert slot is not None
        slot.silent_since_s = since_s
    assert connections.slots.end_silent(4.0) == 1
    assert connections.open == slots[1:]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::3", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_counted_by_its_network(address, counted):
    assert bounded_as(address) == counted


STEPS = st.lists(
    st.tuples(st.sampled_from(["admit", "free", "trust", "distrust", "busy", "idle"]), st.integers(0, 40)), max_size=80
)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_bounds_and_counts_hold_after_any_calls(steps):
    connections = Connections(6, 3)
    for step, number in steps:
        open_now = connections.open
        slot = open_now[number % len(open_now)] if open_now else None
        if step == "admit":
            connections.admit(f"192.0.2.{number % 4}")
        elif slot is not None and step == "free":
            connections.slots.free(slot)
            open_now.remove(slot)
        elif slot is not None and step in ("trust", "distrust"):
            connections.slots.trust(slot, known=step == "trust")
        elif slot is not None:
            (connections.busy.add if step == "busy" else connections.busy.discard)(slot)
        assert len(connections.slots) == len(connections.open) <= 6
        for address in range(4):
            assert sum(slot.address == f"192.0.2.{address}" for slot in connections.open) <= 3
