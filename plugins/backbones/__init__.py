"""SAM2 networks behind usframe's four verbs."""
