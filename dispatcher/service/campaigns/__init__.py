"""Campaigns: what people see of them, and order."""
