"""What DVC leaves locked when it is killed: entries of `.dvc/tmp/rwlock`, or a file that was cut off.

DVC removes the entries of processes that are gone. After a restart of the machine or the container their
numbers belong to others, and DVC waits for those to end; a file that was cut off stops every command.
"""

import json
import logging
from pathlib import Path

import psutil

logger = logging.getLogger(__name__)


def clear_stale_locks(root: Path) -> bool:
    """Remove what no running DVC can hold from the lock file of a checkout; whether there was any.

    To be called when DVC has refused to start: a DVC that runs keeps its entries.
    """
    file = root / ".dvc" / "tmp" / "rwlock"
    try:
        entries = json.loads(file.read_text() or "null")
        writers, readers = dict(entries.get("write", {})), dict(entries.get("read", {}))
        held = {
            "write": {path: entry for path, entry in writers.items() if _is_dvc(entry)},
            "read": {path: live for path, every in readers.items() if (live := list(filter(_is_dvc, every)))},
        }
    except FileNotFoundError:
        return False
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        logger.warning("%s can't be read (%s): a command was cut off; removing it", file, error)
        file.unlink()
        return True
    if held == {"write": writers, "read": readers}:
        return False
    logger.warning("%s names processes that are no longer DVC's: removing them", file)
    file.write_text(json.dumps(held))
    return True


def running_dvc(root: Path) -> list[str]:
    """DVC's processes at work in the checkout at `root`, as "PID 123 (dvc add data/snapshot)"."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        if _names_dvc(words) and process.info["cwd"] == str(root.resolve()):
            found.append(f"PID {process.info['pid']} ({' '.join(words)})")
    return found


def _is_dvc(entry: dict[str, object]) -> bool:
    """Whether the process of an entry still runs, and is DVC. KeyError: it is no entry."""
    try:
        return _names_dvc(psutil.Process(int(str(entry["pid"]))).cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    except psutil.AccessDenied:  # somebody else's: it may be DVC
        return True


def _names_dvc(words: list[str]) -> bool:
    """Whether a command line is `dvc …` or `python -m dvc …`."""
    return any(Path(word).name == "dvc" for word in words[:3])
