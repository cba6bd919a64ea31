"""From samples to better weights."""
