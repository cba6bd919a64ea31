"""What a request is: composed, overridden, checked."""
