# The app: the HTTP front, and the command line. Holds neither the worker nor what only it needs.
# `--target guard` is what keeps web pages off Restate's ports.
# An image with your agents is made from it: docs/production.md.
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS base
ENV VIRTUAL_ENV=/venv PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN useradd --uid 10001 --no-create-home outlast
RUN --mount=type=bind,source=requirements/uv.txt,target=/mnt/uv.txt \
    pip install --quiet --no-cache-dir --root-user-action=ignore \
    --disable-pip-version-check --require-hashes --requirement /mnt/uv.txt
WORKDIR /srv

FROM base AS wheels
COPY shared/ shared/
COPY app/ app/
COPY cli/ cli/
RUN set -e; for member in shared shared/agents app cli; do \
      uv build --quiet --wheel --offline --no-sources --out-dir /wheels "$member"; \
    done

FROM base AS guard-wheels
COPY shared/ shared/
COPY local/ local/
RUN set -e; for member in shared local; do \
      uv build --quiet --wheel --offline --no-sources --out-dir /wheels "$member"; \
    done

FROM base AS libraries
RUN --mount=type=bind,source=requirements/app.txt,target=/mnt/app.txt \
    --mount=type=cache,target=/root/.cache/uv \
    uv venv --quiet /venv \
    && uv pip sync --quiet --require-hashes --no-build /mnt/app.txt
ENV UV_NO_CACHE=1

FROM libraries AS guard
RUN --mount=type=bind,from=guard-wheels,source=/wheels,target=/mnt \
    uv pip install --quiet --no-index --no-deps /mnt/*.whl
USER outlast
EXPOSE 8080 9070
CMD ["python", "-m", "outlast_local.guard"]

FROM libraries
RUN --mount=type=bind,from=wheels,source=/wheels,target=/mnt \
    uv pip install --quiet --no-index --no-deps /mnt/*.whl
USER outlast
EXPOSE 8070
CMD ["python", "-m", "outlast_app"]
