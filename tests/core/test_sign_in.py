"""Tries to sign in are bounded per name and per address, come back with time, and use bounded memory."""

from __future__ import annotations

from dispatcher.core.sign_in import OF_A_NAME, OF_A_NAME_ANYWHERE, OF_AN_ADDRESS, SignInThrottle

HERE, THERE = "192.0.2.1", "192.0.2.2"


def tries(throttle: SignInThrottle, name: str, address: str, now_s: float = 0.0) -> int:
    """How many tries are allowed at once."""
    count = 0
    while throttle.wait_s(name, address, now_s) == 0:
        count += 1
    return count


def test_a_name_has_its_tries_and_they_come_back_one_by_one() -> None:
    throttle = SignInThrottle()
    assert tries(throttle, "ann", HERE) == OF_A_NAME.tries
    assert throttle.wait_s("ann", HERE, 0.0) == OF_A_NAME.back_s
    assert throttle.wait_s("ann", HERE, 1.0) == OF_A_NAME.back_s - 1
    assert tries(throttle, "ann", HERE, OF_A_NAME.back_s) == 1
    assert tries(throttle, "ann", HERE, 10_000.0) == OF_A_NAME.tries


def test_a_stranger_who_tries_a_name_does_not_lock_its_owner_out() -> None:
    throttle = SignInThrottle()
    tries(throttle, "ann", HERE)
    assert throttle.wait_s("ann", THERE, 0.0) == 0


def test_an_address_has_tries_for_all_names_together() -> None:
    throttle = SignInThrottle()
    allowed = sum(throttle.wait_s(f"name{at}", HERE, 0.0) == 0 for at in range(OF_AN_ADDRESS.tries + 10))
    assert allowed == OF_AN_ADDRESS.tries


def test_a_name_is_bounded_over_all_addresses_too() -> None:
    throttle = SignInThrottle()
    allowed = sum(throttle.wait_s("ann", f"192.0.2.{at}", 0.0) == 0 for at in range(OF_A_NAME_ANYWHERE.tries + 10))
    assert allowed == OF_A_NAME_ANYWHERE.tries


def test_a_right_password_gives_the_tries_back() -> None:
    throttle = SignInThrottle()
    for _ in range(OF_A_NAME.tries - 1):
        throttle.wait_s("ann", HERE, 0.0)
    throttle.succeeded("ann", HERE)
    assert tries(throttle, "ann", HERE) == OF_A_NAME.tries


def test_memory_is_bounded() -> None:
    throttle = SignInThrottle(keys_max=30)
    for at in range(1_000):
        throttle.wait_s(f"name{at}", f"address{at}", 0.0)
    assert len(throttle._used) == 30
