"""Readers that several vendors share: forms, columns of reports, escapes."""
