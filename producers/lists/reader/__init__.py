"""Files of numbers, read by a separate process: the process, what starts it, and what they send each other."""
