"""Drivers carry a vendor's flow over a transport."""
