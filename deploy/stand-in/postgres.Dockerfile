# What postgres:17 is to docker-compose.yml: Debian's PostgreSQL, prepared by the same variables.
FROM stand-in-debian
RUN apt-get update -q && apt-get install -qy --no-install-recommends postgresql-17 \
    && apt-get clean && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/17 \
    && install --directory --owner=postgres --mode=700 /var/lib/postgresql/data \
    && install --directory --owner=postgres /var/run/postgresql
COPY postgres-run /usr/local/bin/postgres-run
ENV PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
CMD ["postgres-run"]
