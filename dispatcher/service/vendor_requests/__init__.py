"""What people ask an account's vendor for: operations, totals of a day, its history, scheduled messages back."""
