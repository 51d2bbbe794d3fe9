"""Files into the database: one adapter a source format, one COPY path."""

from database.ingest.adapters import ADAPTERS
from database.ingest.chunk import Adapter, IngestError, Options, WrongFormatError
from database.ingest.inbox import Delivery, ingest_inbox
from database.ingest.report import Report
from database.ingest.run import TextEncoder, ingest_file
from database.ingest.sample import SAMPLE, ingest_sample

__all__ = [
    "ADAPTERS",
    "SAMPLE",
    "Adapter",
    "Delivery",
    "IngestError",
    "Options",
    "Report",
    "TextEncoder",
    "WrongFormatError",
    "ingest_file",
    "ingest_inbox",
    "ingest_sample",
]
