"""`python -m experiments start|stop|read|list`: compare bundles or blends on live traffic."""

from experiments.commands import main

main()
