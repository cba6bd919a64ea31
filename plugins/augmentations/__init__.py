"""Augmentations: what happens to the slices of a training clip and to their masks."""
