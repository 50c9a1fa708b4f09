"""What the programme owes merchants, and the settlements that pay it."""
