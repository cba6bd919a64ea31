"""From labels, or a table, to prompts."""

from usframe.prompting.strategies import Noise, make_prompts

__all__ = ["Noise", "make_prompts"]
