"""The network behind a CMPP gateway: a second one, and the name server (GNS) that knows who has which phone and
service.

routes.py        tables of routes, as the name server keeps them and a gateway caches them
dial.py          a gateway's own connections to others: long ones with a window, short ones for one question
name_server.py   the GNS
node.py          what a gateway does for phones and services of others (vendors.md 6.1, 6.12)
network.py       two gateways and the name server, started
"""
