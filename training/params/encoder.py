"""The encoder that an installation's params.yaml names."""

from database.settings import get_settings
from training.models.core.encoder import Encoder
from training.params import load_params


def default_encoder() -> Encoder:
    """The encoder that params.yaml names. Entry point `shortlist.encoder` of those who ingest items."""
    return Encoder(load_params(get_settings().workspace / "params.yaml").embeddings.model)
