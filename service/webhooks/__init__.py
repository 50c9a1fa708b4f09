"""Sending webhooks: rewards.webhooks says what, when and where to."""
