"""The results role: the joiner, and the commands that read results."""
