"""The pure core: no I/O and no clock anywhere below this package; `now_s` is always an argument."""
