"""What people order about a launched campaign, and what can be ordered now."""
