"""The log: one port, two adapters. `open_log(url)` is in dispatcher/log/opening.py."""
