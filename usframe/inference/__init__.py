"""From volumes and prompts to masks."""
