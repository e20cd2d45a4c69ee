"""Drives the links of an account: dispatcher/cmpp on asyncio."""
