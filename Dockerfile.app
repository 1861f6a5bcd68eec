# The app: the HTTP front, and the command line. Holds neither the worker nor what only it needs.
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS build
WORKDIR /build
COPY requirements/uv.txt .
RUN pip install --no-cache-dir --root-user-action=ignore --require-hashes --requirement uv.txt
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
COPY requirements/app.txt .
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv --quiet /venv \
    && uv pip sync --quiet --python /venv/bin/python --require-hashes --no-build --compile-bytecode app.txt
WORKDIR /srv
COPY pyproject.toml README.md LICENSE ./
COPY shared/ shared/
COPY app/ app/
COPY cli/ cli/
# Puts the command `agents` there; uv builds it itself.
RUN uv pip install --quiet --python /venv/bin/python --offline --no-deps --editable . \
    && python -m compileall -q .

FROM ${PYTHON}
RUN useradd --system --uid 10001 --no-create-home agents
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv
COPY --from=build /venv /venv
COPY --from=build /srv /srv
USER agents
EXPOSE 8070
CMD ["python", "-m", "outlast_app"]
