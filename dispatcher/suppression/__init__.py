"""The suppression list on the log, and the reports that put numbers on it."""
