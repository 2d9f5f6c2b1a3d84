# The same set-up as `make`, in a container: Debian 13 has the C library that the wheels need.
#
#   docker build -t authorprofile .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" authorprofile --help

FROM debian:13-slim AS python
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*

FROM python AS environment
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/authorprofile
# Only what the environment follows from, so that a change of the code does not install it again.
COPY setup.py README.md LICENSE ./
COPY environment environment
COPY components/__init__.py components/
COPY pipeline/__init__.py pipeline/
RUN python3 environment/bootstrap.py && rm -rf .cache .venv/tools

FROM python
RUN useradd --uid 1000 --create-home author && install --directory --owner=author /work
COPY --from=environment /opt/authorprofile /opt/authorprofile
WORKDIR /opt/authorprofile
COPY components components
COPY pipeline pipeline
RUN .venv/bin/python -m compileall -q components pipeline
ENV PATH=/opt/authorprofile/.venv/bin:$PATH
# By number: Kubeflow runs steps as non-root alone, and Kubernetes cannot tell that from a name.
USER 1000
WORKDIR /work
ENTRYPOINT ["authorprofile"]
