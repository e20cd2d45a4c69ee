"""A log's URL: what it may say, and one plain sentence for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.errors import ConfigError
from dispatcher.log.opening import KafkaUrl, SqliteUrl, open_log, read_url

GOOD = [
    ("sqlite:data/log.db", SqliteUrl(str(Path.cwd() / "data/log.db"))),
    ("sqlite:/x/y.db", SqliteUrl("/x/y.db")),
    ("sqlite:/x/y.db?timeout_s=0.5", SqliteUrl("/x/y.db", timeout_s=0.5)),
    ("kafka://127.0.0.1:9092", KafkaUrl("127.0.0.1:9092")),
    ("kafka://127.0.0.1:9092/", KafkaUrl("127.0.0.1:9092")),
    ("kafka://a:9092,b.c:9093/staging.", KafkaUrl("a:9092,b.c:9093", "staging.")),
    ("kafka://[::1]:9092/x?replication=3&timeout_s=2", KafkaUrl("[::1]:9092", "x", replication=3, timeout_s=2.0)),
]

BAD = [
    ("", "write sqlite:FILE or kafka://HOST:PORT"),
    ("data/log.db", "write sqlite:FILE or kafka://HOST:PORT"),
    ("postgresql://localhost/log", "write sqlite:FILE or kafka://HOST:PORT"),
    ("sqlite:", "names no file"),
    ("sqlite:data/", "names no file"),
    ("sqlite:log.db?replication=3", "the options are timeout_s"),
    ("sqlite:log.db?timeout_s=soon", "the options are timeout_s"),
    ("sqlite:log.db?timeout_s=0", "greater than 0"),
    ("sqlite:log.db?path=/etc/passwd", "an option there is not"),
    ("kafka:", "names no broker"),
    ("kafka://", "names no broker"),
    ("kafka://localhost", "names no broker"),
    ("kafka://localhost:port", "names no broker"),
    ("kafka://localhost:9092,", "names no broker"),
    ("kafka://localhost:9092/a/b", "may hold letters"),
    ("kafka://localhost:9092/x?acks=0", "the options are replication"),
    ("kafka://localhost:9092/x?replication=-1", "greater than 0"),
]


@pytest.mark.parametrize(("url", "where"), GOOD)
def test_a_good_url_says_where_the_log_is(url: str, where: SqliteUrl | KafkaUrl):
    assert read_url(url) == where


@pytest.mark.parametrize(("url", "why"), BAD)
async def test_a_bad_url_is_the_user_s_mistake_in_one_sentence(url: str, why: str):
    with pytest.raises(ConfigError, match=why) as caught:
        await open_log(url)
    assert "\n" not in str(caught.value)
