"""Screens of the commands: options, tables, progress, output files."""
