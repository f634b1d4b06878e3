"""A Letta of one's own: an App Server that is started here, on this machine, and ends with us."""
