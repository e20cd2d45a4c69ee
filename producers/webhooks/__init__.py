"""Reports and inbound messages that vendors push to us."""
