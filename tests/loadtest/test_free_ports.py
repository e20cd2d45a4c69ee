"""Ports for servers that start later."""

from __future__ import annotations

import socket

import pytest

from loadtest.free_ports import HOST, LEAST, free_ports


def test_the_ports_differ_are_free_and_are_none_that_the_kernel_gives_away() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    given_away = set()
    for port in ports:
        with socket.socket() as server, socket.socket() as given:
            server.bind((HOST, port))
            given.bind((HOST, 0))
            given_away.add(given.getsockname()[1])
    assert LEAST <= min(ports) <= max(ports) < min(given_away)


def test_a_port_in_use_is_not_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, other = free_ports(2)
    with socket.socket() as server:
        server.bind((HOST, taken))
        offers = iter([taken - LEAST, taken - LEAST, other - LEAST])
        monkeypatch.setattr("loadtest.free_ports.secrets.randbelow", lambda _: next(offers))
        assert free_ports(1) == [other]
