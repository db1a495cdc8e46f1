# Two images: the training task's (`--target task`) and the API's (`--target api`). `make image` builds
# them and `make test-image` runs them; `cdk deploy` builds them for Fargate. One file for arm64 and
# amd64, with Docker and buildah, each of which skips the stages of the other target.
#
# BASE_IMAGE needs Python 3.11 or newer as python3, and nothing else. The minor version is
# pinned and not the digest, so that a build takes the security updates of the day; what was
# built is known by its own digest, which every run records.
ARG BASE_IMAGE=public.ecr.aws/docker/library/python:3.11-slim-bookworm

# -------------------------------------------------------------------------------- pip and venvs
FROM ${BASE_IMAGE} AS tools

# A plain Debian has python3 without its venv module.
# The base pins the release, and a version of its archive does not outlive the next update:
# hadolint ignore=DL3008
RUN python3 -c 'import ensurepip' 2>/dev/null || { \
        apt-get update -qq \
        && apt-get install -y -qq --no-install-recommends python3-venv \
        && rm -rf /var/lib/apt/lists/*; \
    }

# pip has a venv of its own, so that there is none in the one that is shipped.
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv

ENV PIP_PYTHON=/opt/venv/bin/python PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1

# A name for the user: some libraries ask who they are.
RUN echo 'task:x:10001:10001:HairMe retraining:/tmp:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'task:x:10001:' >> /etc/group

# --------------------------------------------------------------------- what the task is made of
FROM tools AS build-task

# pip's own variables, for a mirror. They stay in this stage: neither the image nor its history
# shows them.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_TRUSTED_HOST
ARG PIP_CERT
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# torch first and alone: with its CPU index beside the usual one the CPU build wins, and
# --retries 0 lets a machine that cannot reach that index go on without it.
COPY requirements.txt /opt/requirements.txt
RUN torch=$(sed -n 's/^\(torch==[^ #;]*\).*/\1/p' /opt/requirements.txt) \
    && /opt/pip/bin/pip install --retries 0 --extra-index-url "${TORCH_INDEX}" "${torch}" \
    && /opt/pip/bin/pip install -r /opt/requirements.txt

# The plain torch of the usual index brings gigabytes of CUDA: such an image shall not exist.
RUN ["/opt/venv/bin/python", "-c", "\
import importlib.metadata, sys, torch; \
names = [found.name for found in importlib.metadata.distributions()]; \
gpu = [name for name in names if name.startswith(('nvidia', 'cuda', 'triton'))]; \
sys.exit(f'torch must be the CPU build, got CUDA {torch.version.cuda} with {gpu}: ' \
         'set TORCH_INDEX to an index that has it' if torch.version.cuda or gpu else 0)"]

# What only compilers and the packages' own tests need goes: a tenth of the image. (torch does not
# start without its shared memory manager, which nothing here uses.)
RUN find /opt/venv/lib -type d \( -name tests -o -name include -o -path '*/torch/test' \) \
        -prune -exec rm -rf {} + \
    && find /opt/venv/lib -path '*/torch/bin/*' -type f ! -name torch_shm_manager -delete

# Ours is compiled here, as pip has done with theirs: where it runs, nothing can be written.
COPY common /app/common
COPY task /app/task
RUN /opt/venv/bin/python -m compileall -q /app

# -------------------------------------------------------------------------- the task as shipped
# No RUN in it: the layers hold what was copied and nothing else.
FROM ${BASE_IMAGE} AS task

COPY --from=build-task /etc/passwd /etc/group /etc/
COPY --from=build-task /opt/venv /opt/venv
COPY --from=build-task /app /app

# `container` tells the logs that their stream is collected; /tmp is all that can be written.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    WORK_DIR=/tmp/work \
    LOG_DIR=/tmp/logs \
    container=oci

# The revision comes last: a new one alone makes no new layers.
ARG CODE_REVISION=unknown
ARG CODE_SOURCE=unknown
ENV CODE_REVISION=${CODE_REVISION}
LABEL org.opencontainers.image.title="HairMe retraining task" \
      org.opencontainers.image.description="Learns a better hairstyle recommender from votes." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="${CODE_SOURCE}" \
      org.opencontainers.image.revision="${CODE_REVISION}"

WORKDIR /app
USER 10001:10001
# Fargate gives an empty volume the owner and mode of the folder only if it is declared here.
VOLUME ["/tmp"]
# In exec form: Python is the first process and gets the signal to stop.
ENTRYPOINT ["/opt/venv/bin/python", "-m", "task"]
CMD ["run"]

# ---------------------------------------------------------------------- what the API is made of
FROM tools AS build-api

ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_TRUSTED_HOST
ARG PIP_CERT

COPY requirements-api.txt /opt/requirements-api.txt
RUN /opt/pip/bin/pip install -r /opt/requirements-api.txt

# It answers from a table: an image with a framework for training or data frames shall not exist.
RUN ["/opt/venv/bin/python", "-c", "\
import sys; from importlib.util import find_spec; \
heavy = [name for name in ('torch', 'pandas', 'sklearn', 'scipy', 'pyarrow') if find_spec(name)]; \
sys.exit(f'the API must be installed without training libraries, got {heavy}: ' \
         'see what in requirements-api.txt brings them' if heavy else 0)"]

RUN find /opt/venv/lib -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +

# Of the task: what reads a version, and nothing that makes one.
COPY common /app/common
COPY api /app/api
COPY task/__init__.py task/artifact.py task/features.py task/metrics.py task/versions.py /app/task/
RUN /opt/venv/bin/python -m compileall -q /app

# --------------------------------------------------------------------------- the API as shipped
FROM ${BASE_IMAGE} AS api

COPY --from=build-api /etc/passwd /etc/group /etc/
COPY --from=build-api /opt/venv /opt/venv
COPY --from=build-api /app /app

ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    WORK_DIR=/tmp/work \
    LOG_DIR=/tmp/logs \
    container=oci

ARG CODE_REVISION=unknown
ARG CODE_SOURCE=unknown
ENV CODE_REVISION=${CODE_REVISION}
LABEL org.opencontainers.image.title="HairMe API" \
      org.opencontainers.image.description="Recommends hairstyles, and takes votes for them." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="${CODE_SOURCE}" \
      org.opencontainers.image.revision="${CODE_REVISION}"

WORKDIR /app
USER 10001:10001
VOLUME ["/tmp"]
EXPOSE 8080
# Whether it lives; whether a model is loaded is what /ready says. ECS has a health check of its own.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/venv/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/health', timeout=4).close()"]
ENTRYPOINT ["/opt/venv/bin/python", "-m", "api"]
CMD ["--host", "0.0.0.0", "--port", "8080"]
