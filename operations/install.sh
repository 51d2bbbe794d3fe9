#!/usr/bin/env bash
# The virtual environment with the packages of requirements.txt. Done once for each lock: the second call
# returns at once, and an installation that was cut off is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."

stop() {
    echo "make: $1" >&2
    exit 1
}

# A name on the PATH may be a shim without a Python behind it, so each is asked.
find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3 python}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
}

venv=.venv
unfinished=$venv/.installing
stamp=$venv/.installed
wanted=$(cat requirements.txt pyproject.toml | sha256sum | cut -d' ' -f1)

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted $PWD" ]; then
    exit 0
fi

python=$(find_python)
if [ -z "$python" ]; then
    found=$("${PYTHON:-python3}" --version 2>&1 || true)
    stop "Shortlist needs Python 3.11, and '${PYTHON:-python3}' is ${found:-missing}. Install Python 3.11, or name it: make up PYTHON=/path/to/python3.11."
fi
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    stop "'$python' can't make virtual environments. Install its venv package (Debian and Ubuntu: python3.11-venv)."
free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024 / 1024) }')
[ -d "$venv" ] || [ "$free" -ge 6 ] ||
    stop "Only $free GB are free on the disk of $PWD, and the packages need 6 GB. Free some space, or clone to another disk."

exec 9<requirements.txt
flock -n 9 || stop "Another installation into $PWD/$venv is under way. Wait for it to end."

if [ -f "$unfinished" ]; then
    echo "An earlier installation was cut off; starting it anew."
    rm -rf "$venv"
fi
if [ ! -x "$venv/bin/python" ]; then
    rm -rf "$venv"
    echo "Making the virtual environment ($("$python" --version))."
    mkdir "$venv"
    touch "$unfinished"
    "$python" -m venv "$venv"
fi
touch "$unfinished"
pip() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-deps --progress-bar off "$@"
}

# One line a phase in place of pip's several for each package; a count as well on a terminal.
follow() {
    local line count=0
    while IFS= read -r line; do
        case $line in
        Collecting\ * | Processing\ * | "Requirement already satisfied"*)
            count=$((count + 1))
            if [ -t 1 ]; then printf '\r  %d of %d fetched' "$count" "$1"; fi
            ;;
        "Installing collected packages"*)
            if [ -t 1 ]; then printf '\r'; fi
            echo "  $count of $1 fetched; unpacking."
            ;;
        esac
    done
}

log=$venv/install.log
packages=$(grep -cE '^[A-Za-z0-9]' requirements.txt)
echo "Installing the $packages locked packages (about 2.6 GB on disk; minutes the first time)."
if ! pip -r requirements.txt 2>&1 | tee "$log" | follow "$packages"; then
    grep -E '^ERROR' "$log" >&2 || tail -n 5 "$log" >&2
    stop "pip could not install the packages (its reason is above, all of it in $PWD/$log). Mend that, then run the same command again."
fi
pip --no-build-isolation --quiet -e . ||
    stop "pip could not install Shortlist itself (its reason is above). Mend that, then run the same command again."
echo "Installed in $SECONDS s."
echo "$wanted $PWD" >"$stamp"
rm -f "$unfinished"
