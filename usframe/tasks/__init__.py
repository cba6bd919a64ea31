"""What an experiment does, a module per task."""
