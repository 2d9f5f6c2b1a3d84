# The same set-up as `make`, in a container: Debian 13 has the C library that the wheels need.
#
#   docker build -t authorprofile .
#   docker run --rm -v "$PWD:/home/author/work" -w /home/author/work authorprofile --help

FROM python:3.11-slim-trixie AS environment
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/authorprofile
# Only what the environment follows from, so that a change of the code does not install it again.
COPY setup.py README.md LICENSE ./
COPY environment environment
COPY components/__init__.py components/
COPY pipeline/__init__.py pipeline/
RUN python environment/bootstrap.py && rm -rf .cache

FROM python:3.11-slim-trixie
RUN useradd --create-home author
COPY --from=environment /opt/authorprofile /opt/authorprofile
WORKDIR /opt/authorprofile
COPY components components
COPY pipeline pipeline
RUN .venv/bin/python -m compileall -q components pipeline
ENV PATH=/opt/authorprofile/.venv/bin:$PATH
USER author
WORKDIR /home/author
ENTRYPOINT ["authorprofile"]
