"""What was installed can be imported: once, all of it that is compiled or heavy."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from operations.errors import InstallError

IMPORTS = {
    "torch": "torch",
    "faiss-cpu": "faiss",
    "implicit": "implicit.cpu.als",
    "sentence-transformers": "sentence_transformers",
    "apache-airflow": "airflow.sdk",
    "mlflow": "mlflow",
    "bentoml": "bentoml",
    "great-expectations": "great_expectations",
    "dvc": "dvc.repo",
}
"""Packages that bring compiled or heavy code, and the module that shows whether all of it loads."""

SYSTEM_PACKAGES = {
    "libgomp.so.1": ("libgomp1", "libgomp"),
    "libstdc++.so.6": ("libstdc++6", "libstdc++"),
    "libgcc_s.so.1": ("libgcc-s1", "libgcc"),
    "libz.so.1": ("zlib1g", "zlib"),
}
"""System libraries that packages may ask for: what has them on Debian and on Fedora."""

IMPORT_ALL = """
import importlib, sys
for package, module in zip(sys.argv[1::2], sys.argv[2::2]):
    print("\\nimporting", package, file=sys.stderr, flush=True)
    importlib.import_module(module)
"""


def provide_openmp(venv: Path, system: str) -> None:
    """Where the system lacks libgomp.so.1, which implicit needs, take the copy in scikit-learn's wheel.

    That copy goes by a name of its own. Ours gets the usual name back, and each start of this Python
    loads it: whoever asks for libgomp.so.1 later finds it loaded.
    """
    (packages,) = venv.glob("lib/python3.*/site-packages")
    hook, copy = packages / "shortlist_openmp.pth", venv / "lib" / "libgomp.so.1"
    hook.unlink(missing_ok=True)
    if system != "Linux" or _system_loads("libgomp.so.1"):
        return
    bundled = next((packages / "scikit_learn.libs").glob("libgomp-*.so*"), None)
    if bundled is None:
        return
    name = bundled.name.encode()
    copy.write_bytes(bundled.read_bytes().replace(name + b"\0", b"libgomp.so.1".ljust(len(name) + 1, b"\0")))
    hook.write_text(f"import ctypes; ctypes.CDLL({str(copy)!r})\n")


def _system_loads(library: str) -> bool:
    """Whether the system has it. Asked in a new process: in this one the hook may have loaded a copy."""
    ask = f"import ctypes; ctypes.CDLL({library!r})"
    # -S leaves site-packages, and with it the hook, out.
    done = subprocess.run([sys.executable, "-I", "-S", "-c", ask], capture_output=True, check=False)
    return done.returncode == 0


def check_imports(python: Path, imports: Mapping[str, str] = IMPORTS) -> None:
    """Import each heavy package once. Raises InstallError for the first that fails: why, and what to do."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            **dict.fromkeys(("AIRFLOW_HOME", "BENTOML_HOME", "MPLCONFIGDIR", "HF_HOME"), folder),
            **dict.fromkeys(("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "HF_HUB_OFFLINE"), "1"),
            "BENTOML_DO_NOT_TRACK": "True",
            "GX_ANALYTICS_ENABLED": "False",
        }
        words = [word for pair in imports.items() for word in pair]
        done = subprocess.run(
            [str(python), "-W", "ignore", "-c", IMPORT_ALL, *words],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        _, _, said = done.stderr.rpartition("\nimporting ")
        package, _, rest = said.partition("\n")
        raise InstallError(import_failure(package, done.returncode, rest))


def import_failure(package: str, code: int, said: str) -> str:
    """The line for a package that can't be imported."""
    last = (said.strip().splitlines() or [""])[-1]
    cause = f"signal {-code}" if code < 0 else last
    library = re.search(r"(lib[\w+.-]+\.so[.\d]*): cannot open shared object", said)
    if library and library[1] in SYSTEM_PACKAGES:
        debian, fedora = SYSTEM_PACKAGES[library[1]]
        cure = f"Install it (Debian and Ubuntu: apt install {debian}; Fedora: dnf install {fedora})"
    elif library:
        cure = (
            f"Install what has it (Debian and Ubuntu: apt-file search {library[1]} names it; "
            f"Fedora: dnf install '{library[1]}()(64bit)')"
        )
    elif code == -9:
        cure = "The system ended it, most often for lack of memory: close other programs"
    else:
        cure = "Install the packages anew (make clean)"
    return f"{package} is installed and can't be imported: {cause}. {cure}, then run the same command again."
