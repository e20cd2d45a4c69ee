"""The results store: the join of the log, columnar, and everything that is asked of it."""
