"""The engine: the pure core, the log and store ports, the vendors, the command."""
