"""What plans want, what district staff report, and what the platform observes."""
