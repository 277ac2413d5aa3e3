"""Models that torch exported and compiled ahead of time."""
