"""A volume that somebody is labelling: prompts in, masks out at once, and nothing lost. No server, no page."""
