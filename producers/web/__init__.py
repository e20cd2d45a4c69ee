"""The web server: aiohttp's, bounded. What it serves is in producers/webhooks."""
