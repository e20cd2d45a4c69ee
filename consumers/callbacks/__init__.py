"""Outgoing callbacks: their deliveries and what is noticed for them (duties of role `campaigns`), their commands."""
