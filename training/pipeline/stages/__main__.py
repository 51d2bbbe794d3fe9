"""`python -m training.pipeline.stages NAME`: run one stage of dvc.yaml."""

import logging

import click

from database.settings import get_settings
from training.data.workspace import open_workspace
from training.pipeline.stages import run_stage, stage_names


@click.command()
@click.argument("name", type=click.Choice(stage_names()))
def main(name: str) -> None:
    """Run one stage of dvc.yaml in the workspace."""
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run_stage(name, open_workspace(settings))


if __name__ == "__main__":
    main()
