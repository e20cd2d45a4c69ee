"""The lane: the account's state, its owner, intents and outcomes. Pure."""
