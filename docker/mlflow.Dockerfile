# syntax=docker/dockerfile:1
# MLflow alone: a tenth of the platform's image. The versions are those of requirements.txt (a test compares).
FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 shortlist \
    && install --directory --owner shortlist /var/lib/mlflow
RUN --mount=type=cache,target=/root/.cache/pip pip install mlflow==3.17.2 psycopg2-binary==2.9.13
USER 10001
WORKDIR /var/lib/mlflow
