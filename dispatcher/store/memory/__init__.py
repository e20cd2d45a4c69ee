"""The results in memory: the store's port said in dicts, the reference for other adapters. It ends with its process."""
