"""The built-in handlers, and the bases that authors derive theirs from. They need torch."""
