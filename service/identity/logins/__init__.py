"""How people prove who they are, and the sessions that this opens."""
