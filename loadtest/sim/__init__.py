"""Simulated vendors: real HTTP servers with a ledger, a judge of the flow limit, faults and a report engine.

Written from vendors.md alone; nothing here imports `dispatcher.vendors` or `dispatcher.core`, so that one misreading
cannot hide another.

    batch*.py   the vendor: endpoints, codes, pushes and switches of the BATCH platform
    the rest    knows no vendor: what later ones are made of
"""
