"""From files to cases and volumes, and back."""
