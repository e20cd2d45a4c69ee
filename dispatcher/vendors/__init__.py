"""The vendors: a folder each; `seam/vendor.py` is what they are to all others, `registry.py` finds them."""
