# Two stages: one builds the wheel, the other is Airflow with it. The slim image has Airflow's core alone, so every
# library comes from constraints.txt, in the versions that were tested together.
FROM apache/airflow:slim-3.3.2-python3.11 AS wheel
WORKDIR /tmp/source
COPY --chown=airflow:0 pyproject.toml constraints.txt README.md CHANGELOG.md LICENSE ./
COPY --chown=airflow:0 plugins plugins
COPY --chown=airflow:0 operators operators
RUN pip install --no-cache-dir --constraint constraints.txt build hatchling \
    && python -m build --wheel --no-isolation --outdir /tmp/wheel

FROM apache/airflow:slim-3.3.2-python3.11
COPY --chown=airflow:0 constraints.txt /opt/airflow/constraints.txt
RUN --mount=type=bind,from=wheel,source=/tmp/wheel,target=/tmp/wheel \
    for wheel in /tmp/wheel/*.whl; do \
        pip install --no-cache-dir --constraint /opt/airflow/constraints.txt \
            "airflow-provider-mlops[all,celery] @ file://${wheel}" || exit 1; \
    done \
    && pip check \
    && mkdir -p /opt/airflow/mlops /opt/airflow/mlflow
ENV MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=true \
    MPLBACKEND=Agg
