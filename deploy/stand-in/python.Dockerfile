# What python:3.13-slim is to our Dockerfile: Debian's own Python, and a pip, under the same names.
FROM stand-in-debian
RUN apt-get update -q && apt-get install -qy --no-install-recommends python3 python3-venv \
    && apt-get clean && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/bin/python3 /usr/local/bin/python \
    && python3 -m venv /opt/pip \
    && ln -s /opt/pip/bin/pip /usr/local/bin/pip
# How this machine's pip reaches an index.
COPY machine/ /
