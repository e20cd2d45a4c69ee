"""`dispatcher run`: a process and the roles it plays, and its logging."""
