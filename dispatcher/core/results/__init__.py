"""The join of reports and outcomes, the equation, evidence for unknown requests, inbound messages. Pure."""
