"""What divisions' residents did, summed from the log and kept exact."""
