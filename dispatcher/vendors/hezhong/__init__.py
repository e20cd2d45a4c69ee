"""HEZHONG 1.1."""
