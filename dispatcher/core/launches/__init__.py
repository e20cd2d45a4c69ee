"""Pure: what launches know of one another: which one counts beside others, and whom the conductor texts again."""
