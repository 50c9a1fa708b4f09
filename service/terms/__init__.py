"""What residents agree to when they sign up, by version: a folder of texts, and how it is read."""
