"""What residents did, what it saved, what it earned, and why."""
