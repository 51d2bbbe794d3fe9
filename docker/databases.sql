-- Run once, by the postgres image, on an empty volume: the databases beside the platform's own.
create database airflow;
create database mlflow;
