"""The fold of the log into the results store."""
