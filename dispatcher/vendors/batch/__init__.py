"""BATCH-A and BATCH-B: one platform, two editions (vendors.md 2)."""
