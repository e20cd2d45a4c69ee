"""`dispatcher account`: checks, balances, and operations that a vendor carries out."""
