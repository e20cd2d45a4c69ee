"""Into the log: sources of numbers, launches, webhooks, the API and the console."""
