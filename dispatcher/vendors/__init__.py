"""The vendors: one file each; `seam.py` is what they are to everybody else, `registry.py` lists them."""
