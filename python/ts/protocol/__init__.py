"""Names of the former wire that handlers still import."""
