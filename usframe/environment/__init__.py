"""What this machine has: weights, where they are had from, and whether everything works together."""
