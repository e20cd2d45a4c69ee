"""The simulated CMPP gateway (ISMG), read afresh from vendors.md 6 and 8.5; with the client it shares the PDU tables.

codes_and_switches.py       switches, results, report statuses
faults.py      faults and forced answers
stream.py      bytes to frames
session.py     one connection: login, window, timers, answers, what is delivered on it
judging.py     what is wrong with a login or a SUBMIT
gateway.py     accounts and what becomes of their requests
phones.py      the network behind it: reports, and messages from phones
ledger.py      every number of every SUBMIT, and the figures
control.py     /_sim/..., on a port of its own
server.py      all of it, started
"""
