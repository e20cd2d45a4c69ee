"""`dispatcher campaign`: the group and its control commands."""
