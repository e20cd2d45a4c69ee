"""How pages are made: templates, filters, bars, the menu, static files."""
