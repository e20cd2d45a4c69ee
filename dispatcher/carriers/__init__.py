"""Which carrier a number belongs to: the numbering plan as data, and what reports teach about ported numbers."""
