"""The pages: each module has the routes of one area in `ROUTES`; table.py puts them together."""
