"""The commands for people who sign in and for tokens of the API."""
