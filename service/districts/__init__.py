"""District reporting: aggregates in which no resident can be seen."""
