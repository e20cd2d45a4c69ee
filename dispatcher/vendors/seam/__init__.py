"""The port of a vendor: requests, answers, outcomes, account keys."""
