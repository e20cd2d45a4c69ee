"""Results as CSV, NDJSON and Parquet."""
