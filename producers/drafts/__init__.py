"""Drafts: campaigns whose list and terms are on the log, to be tested, approved, scheduled and launched."""
