"""How well masks agree with labels."""
