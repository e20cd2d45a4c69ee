"""Into the log: lists of numbers, launches, webhooks, the suppression list."""
