"""The topics on a Kafka broker: created with the settings of schemas/topics.py, or verified, one sentence per fault.

A topic's `max.message.bytes` bounds a whole batch of records with its overhead, so it is larger than one record may
be. Times are the broker's (LogAppendTime), so a wrong clock of ours cannot make retention delete anything early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from dispatcher.errors import ConfigError, LogError
from dispatcher.log.kafka.clients import end
from dispatcher.log.kafka.errors import mapped, unavailable
from schemas.topics import TOPICS, Topic

BATCH_OVERHEAD_BYTES: Final = 65_536
LEADER_POLL_S: Final = 0.05
COMPACTED_WITHIN_MS: Final = 3_600_000  # for replaced records; every start reads the whole topic
SAFE_REPLICATION: Final = 3  # from here on, one replica may be away: min.insync.replicas is one less

_CHECKED: Final = ("cleanup.policy", "retention.ms", "max.message.bytes", "min.insync.replicas")
_UNKNOWN_TOPIC: Final = 3
_EXISTS: Final = 36


async def prepare_topics(bootstrap: str, prefix: str, *, create: bool, replication: int, timeout_s: float) -> None:
    """Create missing topics (if `create`), verify existing ones, and wait until every partition has a leader.

    Raises LogUnavailable, ConfigError (no topics and not `create`) or LogError (wrong settings).
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(timeout_s * 1000))
    try:
        async with asyncio.timeout(timeout_s):
            await admin.start()
            present = await _describe(admin, prefix)
            missing = [topic for topic in TOPICS if prefix + topic.name not in present]
            if missing and not create:
                raise ConfigError(
                    "there is no log at {bootstrap}: topic {topic!r} is missing; correct "
                    "[log] url, or start the dispatcher there first",
                    bootstrap=bootstrap,
                    topic=prefix + missing[0].name,
                )
            if missing:
                await _create(admin, prefix, missing, replication)
            present = await _wait_for_leaders(admin, prefix)
            await _verify(admin, prefix, present)
    except TimeoutError as error:
        raise unavailable(bootstrap, f"nothing within {timeout_s:g} s") from error
    except (kafka.KafkaError, OSError) as error:
        raise mapped(error, bootstrap) from error
    finally:
        await end(admin, timeout_s)


async def _describe(admin: AIOKafkaAdminClient, prefix: str) -> dict[str, list[dict[str, Any]]]:
    """The partitions of each existing topic of ours."""
    described = await admin.describe_topics([prefix + topic.name for topic in TOPICS])
    return {each["topic"]: each["partitions"] for each in described if each["error_code"] != _UNKNOWN_TOPIC}


async def _create(admin: AIOKafkaAdminClient, prefix: str, topics: Sequence[Topic], replication: int) -> None:
    wanted = [
        NewTopic(prefix + topic.name, topic.partitions, replication, topic_configs=_settings(topic, replication))
        for topic in topics
    ]
    response = await admin.create_topics(wanted)
    for name, code, message in response.topic_errors:
        if code not in (0, _EXISTS):  # another process may create them at the same time
            reason = message or kafka.for_code(code).__name__
            raise LogError("topic {name!r} cannot be made: {reason}", name=name, reason=reason)


def _settings(topic: Topic, replication: int) -> dict[str, str]:
    compacted = {"max.compaction.lag.ms": str(COMPACTED_WITHIN_MS)} if topic.cleanup == "compact" else {}
    return compacted | {
        "cleanup.policy": topic.cleanup,
        "retention.ms": str(-1 if topic.retention_ms is None else topic.retention_ms),
        "max.message.bytes": str(topic.record_bytes_max + BATCH_OVERHEAD_BYTES),
        "min.insync.replicas": str(replication - 1 if replication >= SAFE_REPLICATION else 1),
        "message.timestamp.type": "LogAppendTime",
    }


async def _wait_for_leaders(admin: AIOKafkaAdminClient, prefix: str) -> dict[str, list[dict[str, Any]]]:
    """Bounded by the caller's time-out."""
    while True:
        present = await _describe(admin, prefix)
        if len(present) == len(TOPICS) and all(
            partitions and all(each["error_code"] == 0 and each["leader"] >= 0 for each in partitions)
            for partitions in present.values()
        ):
            return present
        await asyncio.sleep(LEADER_POLL_S)


async def _verify(admin: AIOKafkaAdminClient, prefix: str, present: dict[str, list[dict[str, Any]]]) -> None:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, prefix + topic.name, dict.fromkeys(_CHECKED, "")) for topic in TOPICS
    ]
    (response,) = await admin.describe_configs(resources)
    settings = {name: {each[0]: each[1] for each in entries} for _, _, _, name, entries in response.resources}
    for topic in TOPICS:
        name = prefix + topic.name
        partitions = present[name]
        if len(partitions) != topic.partitions:
            raise LogError(
                "topic {name!r} has {count} partitions, needs {needed}; accounts would change "
                "their partition: use another prefix in [log] url, or delete the topic if nothing in it is needed",
                name=name,
                count=len(partitions),
                needed=topic.partitions,
            )
        replication = min(len(each["replicas"]) for each in partitions)
        if found := fault(topic, settings[name], replication):
            key, need = found
            raise LogError(
                "topic {name!r} has {key}={value}, needs {need}; set it with kafka-configs.sh "
                "--alter --topic {name} --add-config {key}=…",
                name=name,
                key=key,
                value=settings[name].get(key),
                need=need,
            )


def fault(topic: Topic, has: dict[str, str], replication: int) -> tuple[str, str] | None:
    """The first wrong setting: (name, needed value)."""
    if has["cleanup.policy"] != topic.cleanup:
        return "cleanup.policy", topic.cleanup
    kept_ms = int(has["retention.ms"])
    if topic.cleanup == "delete" and kept_ms != -1 and (topic.retention_ms is None or kept_ms < topic.retention_ms):
        return "retention.ms", f"-1 or at least {topic.retention_ms}"
    if int(has["max.message.bytes"]) < topic.record_bytes_max + BATCH_OVERHEAD_BYTES:
        return "max.message.bytes", f"at least {topic.record_bytes_max + BATCH_OVERHEAD_BYTES}"
    if replication >= SAFE_REPLICATION and int(has["min.insync.replicas"]) < SAFE_REPLICATION - 1:
        return "min.insync.replicas", f"at least {SAFE_REPLICATION - 1}"
    return None
