"""Where the workers of one server keep their metrics: a folder of this server's own.

BentoML empties `BENTOML_HOME/prometheus_multiproc_dir` at each start; replicas that share the store would
delete each other's metrics. The workers of a server have the same parent, which tells servers apart.
"""

import os
import tempfile
from pathlib import Path

import psutil

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def use_own_folder() -> None:
    """Point Prometheus' client, before its first use, to this server's folder if there are several workers.

    A worker that is started again finds the folder of those before it; a new server has a new one.
    """
    if VARIABLE not in os.environ:
        return
    parent = psutil.Process(os.getppid())
    name = f"shortlist-metrics-{os.getuid()}-{parent.pid}-{int(1000 * parent.create_time())}"
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[VARIABLE] = str(folder)
