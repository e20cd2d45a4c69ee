"""The commands of `dispatcher content`."""
