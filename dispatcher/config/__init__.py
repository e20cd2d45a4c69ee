"""The configuration file: typed structs, and plain sentences for mistakes."""
