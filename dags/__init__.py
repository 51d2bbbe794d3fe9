"""When things run: one Airflow DAG a file, whose tasks each call one function of another folder."""
