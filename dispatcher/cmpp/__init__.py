"""CMPP 2.0 on the wire, pure: values in, values out; no clock, no socket, no log (vendors.md 6).

layout.py, pdus.py        the tables of the PDUs: packing, unpacking and docs/CMPP.md come from them. Of all these the
                          simulator uses these two alone
frames.py                 bytes in any cut become frames; a frame becomes a PDU, or a value that says what is wrong
submits.py                many SUBMITs of one text at once, from a template
login.py                  the authenticators of CONNECT
message_ids.py            Msg_Id, unsigned 64 bits
texts.py, long_texts.py   texts to octets and back; long texts in parts
reports.py, results.py    the body of a report; what a Result means
link.py                   one connection of an SP: login, window, timers, answers, deliveries, its end
"""
