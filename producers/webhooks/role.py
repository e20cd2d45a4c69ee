"""The role `web` of `dispatcher run`: writes pushes to the log."""

from __future__ import annotations

from dispatcher.config.file import Config
from dispatcher.log.port import Log
from dispatcher.process.roles import Work
from producers.webhooks.server import serve_webhooks


async def start_web(config: Config, log: Log) -> Work:
    """Listen at `config.web.listen`; at the end answer pushes that wait for the log. Raises PortInUse, ConfigError."""
    webhooks = await serve_webhooks(config, log)
    return Work(webhooks.close, webhooks.url)
