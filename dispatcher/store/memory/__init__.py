"""The results in memory: the store's port as dicts, the reference for other adapters. It ends with its process."""
