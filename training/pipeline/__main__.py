"""`python -m training.pipeline`: the steps of the daily run, by hand."""

from training.pipeline.steps import main

main()
