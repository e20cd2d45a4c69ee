"""The process's own log: readable, machine-readable, and without anybody's number or password in it."""

from __future__ import annotations

import io
import logging

import orjson
import pytest
import structlog

from dispatcher.config.file import parse
from dispatcher.masking import masked_mobiles
from dispatcher.process import logs
from dispatcher.vendors.seam.vendor import Secret

MASKED = [
    ("13800138000", "138****8000"),
    ("to 13800138000,13900139000.", "to 138****8000,139****9000."),
    ("mobile=8613800138000&x", "mobile=86138****8000&x"),
    ("+8613800138000", "+86138****8000"),
    ("008613800138000", "0086138****8000"),
    ("1380013800", "1380013800"),
    ("order 1732180000000", "order 1732180000000"),
    ("12345678901", "12345678901"),
]


@pytest.fixture
def restored():
    """Leave logging as it was: other tests look at it."""
    before, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = before
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(("text", "shown"), MASKED)
def test_a_phone_number_in_a_text_is_masked_and_nothing_else_is(text, shown):
    assert masked_mobiles(text) == shown


@pytest.mark.parametrize(
    "value",
    [
        13800138000,
        "13800138000",
        b"mobile=13800138000",
        ["13800138000"],
        ("x", {"numbers": [13800138000]}),
        {"13800138000": 1},
        memoryview(b"13800138000,13800138000"),
        ValueError("13800138000 is bad"),
    ],
)
def test_a_number_is_masked_wherever_in_an_event_it_stands(value, restored):
    assert "13800138000" not in said(secrets=[], number=value)


@pytest.mark.parametrize(
    "value", ["pswd=hunter22", b"hunter22", ["a", "hunter22"], ValueError("hunter22"), {"hunter22": 1}]
)
def test_a_secret_of_the_configuration_is_never_written(value, restored):
    assert "hunter22" not in said(secrets=["hunter22"], why=value)


def test_a_secret_value_is_never_written_even_if_nobody_named_it(restored):
    assert "hunter22" not in said(secrets=[], pswd=Secret("hunter22"))


def test_the_traceback_of_an_exception_is_cleaned_too(restored):
    out = io.StringIO()
    logs.configure(stream=out, secrets=["hunter22"])
    try:
        raise ValueError("13800138000 with hunter22")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    assert "ValueError" in out.getvalue()
    assert "13800138000" not in out.getvalue()
    assert "hunter22" not in out.getvalue()


def test_what_libraries_say_through_logging_goes_the_same_way(restored):
    out = io.StringIO()
    logs.configure(stream=out)
    logging.getLogger("some.library").warning("sent to %s", "13800138000")
    line = orjson.loads(out.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("sent to 138****8000", "warning", "some.library")


def test_what_the_kafka_client_says_of_every_try_in_an_outage_is_left_to_our_own_line(restored):
    out = io.StringIO()
    logs.configure(stream=out)
    logging.getLogger("aiokafka.cluster").error("topic %s is not available", "dispatcher.jobs")
    structlog.get_logger("log.kafka").warning("the Kafka broker does not answer; trying on")
    assert [orjson.loads(line)["logger"] for line in out.getvalue().splitlines()] == ["log.kafka"]


def test_without_a_terminal_every_event_is_one_json_object(restored):
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger("lanes").warning("stopped: auth", account="spring", partition=3)
    assert (
        orjson.loads(out.getvalue()).items()
        >= {
            "event": "stopped: auth",
            "account": "spring",
            "partition": 3,
            "level": "warning",
            "logger": "lanes",
        }.items()
    )


def test_for_people_an_event_is_one_line(restored):
    out = io.StringIO()
    logs.configure(stream=out, human=True)
    structlog.get_logger("lanes").warning("stopped: auth", account="spring")
    assert out.getvalue().count("\n") == 1
    assert "stopped: auth" in out.getvalue()
    assert "account=spring" in out.getvalue()


def test_the_secrets_of_a_configuration_are_those_of_all_its_accounts():
    account = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo"}
    config = parse({"account": {"a": account | {"pswd": "first1"}, "b": account | {"pswd": "second"}}}, "x.toml")
    assert sorted(logs.secrets_of(config)) == ["first1", "second"]


def said(secrets, **fields) -> str:
    out = io.StringIO()
    logs.configure(stream=out, secrets=secrets)
    structlog.get_logger("x").info("event", **fields)
    assert out.getvalue()
    return out.getvalue()
