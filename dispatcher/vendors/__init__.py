"""The vendors, one folder each. `seam/vendor.py` is their interface to the others, `registry.py` finds them."""
