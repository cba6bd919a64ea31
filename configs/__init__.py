"""Experiments and groups as YAML, shipped with usframe."""
