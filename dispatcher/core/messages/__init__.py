"""Texts, templates, personal values, and cutting a batch into chunks. Pure."""
