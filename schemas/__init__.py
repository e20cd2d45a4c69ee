"""The records on the log, their codecs and the table of topics. Imports nothing of ours."""
