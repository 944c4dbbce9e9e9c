"""`python -m effscale`."""

from effscale.cli import main

main(prog_name="effscale")
