"""Names that lead to code."""

from usframe.plugins.load import Plugins, load_plugins

__all__ = ["Plugins", "load_plugins"]
