"""`python -m tests.crash.make_log URL`: open a log, made new if it is not there; append to each topic, read it back."""

from __future__ import annotations

import asyncio
import sys

from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry
from schemas.topics import TOPICS


async def main(url: str) -> None:
    log = await open_log(url)
    for topic in TOPICS:
        for partition in range(topic.partitions):
            (offset,) = await log.append(topic.name, partition, [Entry(b"key", b"value")])
            assert (await log.fetch(topic.name, partition, offset)).value == b"value"
    await log.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
