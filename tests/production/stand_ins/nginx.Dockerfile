# Debian's nginx as the official image has it: as root or as user 101, with curl for the health check.
FROM python:3.13-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends nginx-light curl \
    && rm -rf /var/lib/apt/lists/* /var/log/nginx/*
ENTRYPOINT []
STOPSIGNAL SIGQUIT
