"""`dispatcher inbound`: messages from phones."""
