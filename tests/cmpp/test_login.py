"""The authenticators: the vectors of the document, the leading zero, padded and bare ids, what gateways answer."""

from __future__ import annotations

import pytest

from dispatcher.cmpp.login import authenticator_ismg, authenticator_source, connect, gateway_proof
from tests.cmpp.vectors import FRAMES

SOURCE = bytes.fromhex("17e4f12260cb2e195131e562db62df87")


def test_a_login_is_the_vector_of_the_document() -> None:
    assert connect(b"901234", b"sim-secret", "0131235959").pack(1) == FRAMES[0]


def test_the_leading_zero_of_the_timestamp_is_hashed() -> None:
    assert authenticator_source(b"901234", b"sim-secret", "0131235959") == SOURCE
    assert connect(b"901234", b"sim-secret", "0131235959").timestamp == 131235959


@pytest.mark.parametrize("timestamp", ["131235959", "", "01-31 23:59", "01312359590"])
def test_a_timestamp_without_ten_digits_is_refused(timestamp: str) -> None:
    with pytest.raises(ValueError, match="MMDDHHMMSS"):
        authenticator_source(b"901234", b"sim-secret", timestamp)


def test_a_short_id_is_hashed_padded_or_bare() -> None:
    of = authenticator_source
    assert of(b"90123", b"sim-secret", "0131235959", "padded").hex() == "316d212b167785461393e3cda8d62638"
    assert of(b"90123", b"sim-secret", "0131235959", "bare").hex() == "2604d1c6c657c2325463432935114f7c"
    assert of(b"901234", b"sim-secret", "0131235959", "bare") == SOURCE


def test_the_gateways_authenticator_has_a_status_of_one_octet() -> None:
    assert authenticator_ismg(0, SOURCE, b"sim-secret").hex() == "216401e69a75a053f80d59e24fc4e56d"
    assert authenticator_ismg(0, SOURCE, b"sim-secret") == FRAMES[1][13:29]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("216401e69a75a053f80d59e24fc4e56d", "spec"),
        ("6dab31ae555a5151e4560ab3df00836d", "four octets"),
        ("019029fb8713e73659ca295129c49535", "digit"),
        ("00" * 16, "empty"),
        (SOURCE.hex(), "wrong"),
    ],
)
def test_the_form_of_a_gateways_authenticator_is_told(given: str, name: str) -> None:
    assert gateway_proof(bytes.fromhex(given), SOURCE, b"sim-secret") == name
