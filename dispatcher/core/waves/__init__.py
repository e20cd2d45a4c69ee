"""Waves: a share of a campaign is sent and judged before the next. Pure; see docs/WAVES.md."""
