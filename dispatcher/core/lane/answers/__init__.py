"""What an answer means: its class (verdict.py), what each class does (policy.py), and doing it (consequences.py)."""
