"""The lanes role: owns lane partitions, submits chunks, polls vendors."""
