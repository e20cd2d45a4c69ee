"""The console: what a team does in a browser. It shows and orders what the services do; no rule lives here."""
