"""The bundled demo checkpoint, and the first place where usframe looks for the user's own."""
