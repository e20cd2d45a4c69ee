"""The commands of `dispatcher carrier`."""
