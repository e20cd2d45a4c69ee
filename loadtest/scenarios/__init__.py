"""`dispatcher loadtest` and `demo`: whole campaigns against simulated vendors, judged by their ledgers."""
