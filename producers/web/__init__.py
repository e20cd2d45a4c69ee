"""The web server: aiohttp's, behind bounds. producers/webhooks has what it serves."""
