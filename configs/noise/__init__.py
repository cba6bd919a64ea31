"""Group ``noise``: how carelessly prompts are drawn."""
