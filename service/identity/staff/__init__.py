"""Those who work here: their logins, what they may do, and how they prove who they are."""
