"""What carriers and vendors demand of a text: rules as data, each with its source, and the judge that applies them."""
