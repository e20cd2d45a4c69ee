"""Simulated vendors: real HTTP servers with a ledger, a judge of the flow limit, faults and a report engine.

Written from vendors.md alone; nothing here imports `dispatcher.vendors` or `dispatcher.core`, so that one misreading
cannot hide another.

    batch*.py, hezhong*.py, guodu*.py   the vendors: endpoints, codes, pushes and switches of each
    the rest                            knows no vendor: what they and later ones are made of
"""
