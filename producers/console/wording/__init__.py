"""The words of the pages: what the engine says, for people who have only the console."""
