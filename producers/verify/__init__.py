"""The commands of verification codes."""
