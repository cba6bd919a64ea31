"""The page of a run as something to work with: its cases in a table, and their slices."""
