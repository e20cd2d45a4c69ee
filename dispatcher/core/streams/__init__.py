"""Streams: campaigns that stay open. Where their messages belong, which keys are known, which account sends. Pure."""
