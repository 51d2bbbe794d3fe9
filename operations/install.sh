#!/usr/bin/env bash
# Finds a Python that Shortlist runs on (pyproject.toml says which) and leaves the installation to operations/install.
set -euo pipefail
cd "$(dirname "$0")/.."

read -r oldest above < <(sed -nE 's/^requires-python = ">=3\.([0-9]+),<3\.([0-9]+)"$/\1 \2/p' pyproject.toml)
names=(python3)
for ((minor = above - 1; minor >= oldest; minor--)); do names+=("python3.$minor"); done
names+=(python)

# Nothing for the ordinary CPython; else what there are no wheels for.
variant="import sys, sysconfig
found = sys.implementation.name.replace('cpython', '')
found = found or ('free-threaded' if sysconfig.get_config_var('Py_GIL_DISABLED') else '')"

# Whether $1 runs, is of a supported version and imports $2. A name on the PATH may be a shim with nothing behind it.
suits() {
    "$1" -c "$variant
import $2
sys.exit(bool(found) or not ((3, $oldest) <= sys.version_info[:2] < (3, $above)))" >/dev/null 2>&1
}

find_python() {
    local name path
    if [ -n "${PYTHON:-}" ]; then
        if suits "$PYTHON" sys; then echo "$PYTHON"; fi
        return
    fi
    # One that can make virtual environments, before one that will be refused for that.
    for needed in "venv, ensurepip" sys; do
        for name in "${names[@]}"; do
            while read -r path; do
                if suits "$path" "$needed"; then
                    echo "$path"
                    return
                fi
            done < <(type -aP "$name")
        done
    done
}

python=$(find_python)
if [ -z "$python" ]; then
    found=$("${PYTHON:-python3}" --version 2>&1 | head -n 1 || true)
    case $found in Python\ [0-9]*) ;; *) found="not there" ;; esac
    kind=$("${PYTHON:-python3}" -c "$variant
print(found)" 2>/dev/null || true)
    echo "make: Shortlist needs CPython 3.$oldest to 3.$((above - 1)), and '${PYTHON:-python3}' is $found${kind:+ ($kind)}." \
        "Install one (Debian 12 or newer, Ubuntu 24.04 or newer: apt install python3 python3-venv;" \
        "Ubuntu 22.04: apt install python3.11 python3.11-venv; Fedora: dnf install python3.$((above - 1));" \
        "macOS: brew install python@3.$((above - 1))), or name it: make up PYTHON=/path/to/python3.$((above - 1))." >&2
    exit 1
fi
exec "$python" -m operations.install
