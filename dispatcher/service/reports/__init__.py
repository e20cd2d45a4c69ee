"""Figures over campaigns: today, outcomes, delivery, spend, and alerts."""
