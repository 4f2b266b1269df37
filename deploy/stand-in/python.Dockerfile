# What python:3.13-slim is to our Dockerfile: Debian's own Python under the same names.
FROM stand-in-debian
RUN apt-get update -q && apt-get install -qy --no-install-recommends python3 python3-venv \
    && apt-get clean && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/bin/python3 /usr/local/bin/python
# How this machine's pip reaches an index.
COPY machine/ /
