"""The results store: the join of the log, columnar, and its queries."""
