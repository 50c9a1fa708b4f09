"""Keys by which merchants' systems and verifiers call the API without a person."""
