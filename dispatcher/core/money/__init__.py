"""Prices, costs, spend and budgets. Pure; every amount is an integer of micro-yuan (1e-6 CNY)."""
