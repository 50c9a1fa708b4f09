"""What staff did: who, what, before and after, from where. Added to, never changed."""
