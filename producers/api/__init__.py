"""The HTTP API under `/v1`: a table of operations over the services."""
