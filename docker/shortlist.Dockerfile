# syntax=docker/dockerfile:1
# One image for every part: training and service share one locked environment.
# The environment is built in a stage of its own; its layer changes only with the lock and the direct dependencies.
# requirements.txt constrains: what only the tests need stays out. Torch comes without CUDA, from PyTorch's list of its
# CPU builds, which is read as a page of links: no other package can come from there.
FROM python:3.11-slim-bookworm AS environment
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
RUN python -m venv /opt/venv
WORKDIR /tmp/lock
COPY pyproject.toml requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > direct.txt \
    && pip install --find-links https://download.pytorch.org/whl/cpu/torch/ --constraint requirements.txt --requirement direct.txt

FROM python:3.11-slim-bookworm
# libgomp: OpenMP of implicit, FAISS and scikit-learn. Its version is that of the base image's Debian.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 shortlist \
    && install --directory --owner shortlist /srv/shortlist /srv/shortlist/data /srv/shortlist/.dvc \
        /var/lib/airflow /var/lib/shortlist /var/lib/shortlist/inbox
COPY --from=environment /opt/venv /opt/venv
WORKDIR /srv/shortlist
COPY --chown=shortlist pyproject.toml requirements.txt params.yaml dvc.yaml README.md ./
COPY --chown=shortlist .dvc/config .dvc/config
COPY --chown=shortlist data_checks data_checks
COPY --chown=shortlist database database
COPY --chown=shortlist dags dags
COPY --chown=shortlist client client
COPY --chown=shortlist benchmarks benchmarks
COPY --chown=shortlist experiments experiments
COPY --chown=shortlist operations operations
COPY --chown=shortlist training training
COPY --chown=shortlist serving serving
COPY --chown=shortlist watch watch
# dvc.lock outlives the container: it lies in the volume of data/ (airflow-init makes it)
RUN ln -s data/dvc.lock dvc.lock
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv/shortlist \
    PYTHONUNBUFFERED=1 \
    SHORTLIST_HOME=/var/lib/shortlist \
    SHORTLIST_INBOX=/var/lib/shortlist/inbox \
    BENTOML_HOME=/var/lib/shortlist/bentoml \
    AIRFLOW_HOME=/var/lib/shortlist/airflow \
    DO_NOT_TRACK=1 BENTOML_DO_NOT_TRACK=True MLFLOW_DISABLE_TELEMETRY=true DVC_NO_ANALYTICS=1 \
    HF_HUB_OFFLINE=1 MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK=true
# its metadata makes the encoder's entry point known
RUN pip install --no-cache-dir --no-deps --editable .
# a number: Kubernetes' runAsNonRoot can't judge a name
USER 10001
