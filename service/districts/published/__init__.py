"""What is made of issued reports: dashboards, comparison, open data."""
