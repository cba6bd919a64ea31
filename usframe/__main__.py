"""``python -m usframe`` is `usframe`."""

from usframe.cli import main

main(prog_name="usframe")
