"""Attacks by subject, a module each; `attacks.py` counts them."""
