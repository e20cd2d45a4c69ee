"""Frequency caps: whom recent campaigns texted, in files beside the results that are made again from the log."""
