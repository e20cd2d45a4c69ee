"""The site `/metrics`: figures for Prometheus. See docs/METRICS.md."""
