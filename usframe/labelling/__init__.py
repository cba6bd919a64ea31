"""Cases that somebody labels in a browser: a folder that keeps them, the verbs of HTTP, and the page."""
