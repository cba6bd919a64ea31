"""What an encoder makes of slices: taken apart, put together, compared, and kept on disk."""
