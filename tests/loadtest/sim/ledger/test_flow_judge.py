"""The judge against the plainest possible count, for any arrivals in any order of telling."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.sim.ledger import flow_judge as judging
from loadtest.sim.ledger.flow_judge import LATE_S_MAX, Judge
from tests.loadtest.sim.sim_kit import each, numbers, vendor

arrivals = st.lists(
    st.tuples(st.integers(0, 400).map(lambda n: n / 16), st.integers(1, 300), st.booleans()), min_size=1, max_size=60
)


def brute_force(told: list[tuple[float, int, bool]], limit: int, per_s: float) -> tuple[int, int]:
    """Windows over the limit, and the heaviest: by looking at the one from every moment at which something arrived."""
    weights = [sum(w for at, w, _ in told if start <= at < start + per_s) for start in {at for at, _, _ in told}]
    return sum(w > limit for w in weights), max(weights)


@given(arrivals, st.integers(1, 600), st.sampled_from([0.5, 1.0, 2.0]))
def test_windows_are_counted_as_by_looking_at_every_one(
    told: list[tuple[float, int, bool]], limit: int, per_s: float
) -> None:
    told.sort(key=lambda a: a[0])
    judge = Judge(limit, per_s)
    for at_s, weight, accepted in told:
        judge.arrive(at_s, weight, accepted)
    verdict = judge.verdict()
    over, heaviest = brute_force(told, limit, per_s)
    assert verdict.window_max == heaviest
    assert (verdict.windows_over_limit > 0) == (over > 0)
    # One window per arrival: of several at one moment each starts its own, of what comes from it on.
    expected = 0
    for place, (start, _, _) in enumerate(told):
        expected += sum(w for at, w, _ in told[place:] if at < start + per_s) > limit
    assert verdict.windows_over_limit == expected


@given(arrivals, st.randoms(use_true_random=False), st.integers(1, 600))
def test_the_order_of_telling_does_not_matter(told: list[tuple[float, int, bool]], random: object, limit: int) -> None:
    told = [(i / 8, w, a) for i, (_, w, a) in enumerate(told)]  # one after another, told late by up to LATE_S_MAX
    in_order, late = Judge(limit, 1.0), Judge(limit, 1.0)
    for at_s, weight, accepted in told:
        in_order.arrive(at_s, weight, accepted)
    shift = int(LATE_S_MAX * 8) - 1
    for place in sorted(range(len(told)), key=lambda i: i + random.randint(0, shift)):  # type: ignore[attr-defined]
        late.arrive(*told[place])
    assert late.verdict() == in_order.verdict()


@given(arrivals, st.integers(1, 600))
def test_folding_old_arrivals_changes_nothing(told: list[tuple[float, int, bool]], limit: int) -> None:
    told.sort(key=lambda a: a[0])
    whole, folding = Judge(limit, 1.0), Judge(limit, 1.0)
    for at_s, weight, accepted in told:
        whole.arrive(at_s, weight, accepted)
        folding.arrive(at_s, weight, accepted)
        folding._fold()
    assert folding.verdict() == whole.verdict()
    assert len(folding._at) <= len(whole._at)


@given(arrivals, st.integers(1, 600), st.sampled_from([0.5, 1.0, 2.0]))
def test_what_is_let_through_is_never_over_and_is_all_that_fits(
    told: list[tuple[float, int, bool]], limit: int, per_s: float
) -> None:
    judge, taken = Judge(limit, per_s), list[tuple[float, int, bool]]()
    for at_s, weight, _ in told:  # in any order: late ones too
        if judge.fits(at_s, weight):
            taken.append((at_s, weight, True))
            judge.arrive(at_s, weight, True)
        elif all(abs(at_s - other) <= LATE_S_MAX for other, _, _ in told):
            over, _ = brute_force([*taken, (at_s, weight, True)], limit, per_s)
            assert over > 0
    newest, in_time = 0.0, True
    for at_s, _, _ in told:
        newest = max(newest, at_s)
        in_time = in_time and at_s > newest - LATE_S_MAX
    if taken and in_time:
        assert brute_force(taken, limit, per_s)[0] == 0


def test_a_steady_sender_uses_all_of_the_limit_at_any_chunk_size() -> None:
    for chunk in (1, 100, 500):
        judge = Judge(500, 1.0)
        for i in range(40):
            judge.arrive(i * chunk / 500, chunk, True)
        verdict = judge.verdict()
        assert verdict.limit_used == pytest.approx(1.0) if 40 * chunk > 1000 else verdict.limit_used is None
        assert verdict.windows_over_limit == 0


def test_a_sender_that_waits_a_hundredth_too_long_uses_a_hundredth_less() -> None:
    judge = Judge(500, 1.0)
    for i in range(100):
        judge.arrive(i * 0.2 * 1.01, 100, True)
    assert judge.verdict().limit_used == pytest.approx(1 / 1.01)


def test_idle_time_between_busy_stretches_does_not_count() -> None:
    judge = Judge(500, 1.0, idle_s=2.0)
    for start in (0.0, 100.0):
        for i in range(20):
            judge.arrive(start + i * 0.2, 100, True)
    verdict = judge.verdict()
    assert verdict.limit_used == pytest.approx(1.0)
    assert verdict.active_s == pytest.approx(2 * 19 * 0.2)


def test_refused_weight_uses_nothing_but_counts_in_the_windows() -> None:
    judge = Judge(500, 1.0)
    for i in range(20):
        judge.arrive(i * 0.2, 100, i % 2 == 0)
    verdict = judge.verdict()
    assert verdict.limit_used == pytest.approx(10 / 19)
    assert verdict.window_max == 500


def test_without_a_limit_nothing_is_over() -> None:
    judge = Judge(0, 1.0)
    assert judge.fits(0.0, 10**9)
    judge.arrive(0.0, 10**9, True)
    verdict = judge.verdict()
    assert (verdict.windows_over_limit, verdict.window_max, verdict.limit_used) == (0, 10**9, None)


def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "PENDING_MAX", 64)
    judge = Judge(10, 1.0)
    for i in range(5000):
        judge.arrive(i * 1.0, 10, True)
        assert len(judge._at) <= 64
    verdict = judge.verdict()
    assert (verdict.windows_over_limit, verdict.window_max) == (0, 10)
    assert verdict.limit_used == pytest.approx(1.0)


@each("judge_idle_s", [(2.0, 3), (0.2, 2)])
async def test_the_idle_time_is_a_switch(value: float, expected: int) -> None:
    async with vendor({"flow": {"limit": 5}}, judge_idle_s=value) as v:
        judge = v.sim.state.ledger.books["spring"].judge
        for at_s in (0.0, 0.1, 1.2, 1.3):
            judge.arrive(at_s, 1, True)
        v.sim.configure(judge_idle_s=value)
        assert judge.verdict().used == expected


async def test_a_request_is_judged_by_its_first_bytes_not_by_its_last() -> None:
    async with vendor({"flow": {"limit": 10, "per_s": 60}}) as v:
        host, _, port = v.sim.url.removeprefix("http://").rpartition(":")
        reader, slow = await asyncio.open_connection(host, int(port))
        body = v.post(v.form(mobile=numbers(1, 13_900_000_000)))
        slow.write(body[:-1])
        await slow.drain()
        while not any(h.stamp_s for h in v.sim._server.connections):  # type: ignore[union-attr]
            await asyncio.sleep(0.005)
        await v.send()
        slow.write(body[-1:])
        await reader.read()
        slow.close()
        rows = v.sim.rows().sort("arrived_s")
        assert rows["number"].to_list() == ["13900000000", "13800138000"]
        assert rows["request"].to_list() == [1, 0]
