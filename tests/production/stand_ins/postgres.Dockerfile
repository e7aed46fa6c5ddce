# Debian's PostgreSQL with the official image's variables, folder and start.
FROM python:3.13-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends postgresql-17 \
    && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/* \
    && install -d -m 700 -o postgres -g postgres /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
COPY postgres.sh /
ENTRYPOINT ["sh", "/postgres.sh"]
STOPSIGNAL SIGINT
