"""The API does what its OpenAPI document says, as schemathesis finds it: every check but those with a reason here."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.producers.api.api_kit import NUMBERS, TERMS, served

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

LEFT_OUT = [
    # A schema cannot say what is a phone number, a configured account, or a time that has an end after its begin.
    "--exclude-checks=positive_data_acceptance",
    # It asks the vendor, and waits as long as the vendor's document wants between two queries.
    "--exclude-path=/v1/accounts/{account}:check",
    # Its answer ends when the campaign is over.
    "--exclude-path=/v1/campaigns/{id}/events",
]


async def test_every_operation_keeps_its_document(tmp_path: Path):
    async with served(tmp_path) as api:
        await api.call("PUT", "/v1/campaigns/may-sale", TERMS | {"numbers": NUMBERS})
        await api.call("POST", "/v1/campaigns/may-sale:launch")
        process = await asyncio.create_subprocess_exec(
            str(SCHEMATHESIS),
            *("run", f"{api.web.url}/v1/openapi.json", "-H", f"Authorization: Bearer {api.secrets['all']}"),
            *("--checks=all", "--seed=1", "--max-examples=1", "--phases=coverage,fuzzing", "--continue-on-failure"),
            *("--generation-database=none", "--no-color", *LEFT_OUT),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-20_000:]
