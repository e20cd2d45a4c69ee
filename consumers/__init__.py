"""From the log: the lanes that submit and poll, and the join."""
