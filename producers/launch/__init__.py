"""Launching a campaign: plan, split by route, commit."""
