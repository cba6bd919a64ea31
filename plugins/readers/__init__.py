"""The file formats that usframe reads and writes, one module per library that decodes them."""
