"""`python -m training.tuning MODEL`: search a model's hyperparameters."""

from training.tuning.tune import main

main()
