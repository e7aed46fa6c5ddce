# The site in one image: code and collected static files, owned by root. /data holds the database and
# the pictures. docs/deploying.md says how to run it.

FROM python:3.13-slim AS build
WORKDIR /app
# The image's own pip fills it: the running site needs no pip.
RUN python -m venv --without-pip /venv
COPY requirements.txt ./
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements.txt
COPY manage.py pyproject.toml ./
COPY config config
# The pages below /how-it-works/ quote them.
COPY examples examples
COPY locale locale
COPY profiles profiles
COPY static static
COPY templates templates
# collectstatic does not need the key, but the settings do not load without one.
RUN DJANGO_DOTENV="" DJANGO_SECRET_KEY=only-to-collect STATIC_ROOT=/app/staticfiles \
    /venv/bin/python manage.py collectstatic --noinput
# Compile now, since /app is read-only when the site runs. Make it readable for all users, whatever
# the umask of the clone was.
# gunicorn finds its configuration by the link, as in the clone.
RUN /venv/bin/python -m compileall -q /app/config /app/profiles \
    && ln -s config/gunicorn.conf.py gunicorn.conf.py \
    && rm requirements.txt \
    && chmod -R u=rwX,go=rX /app

FROM python:3.13-slim AS product
# A fixed id, so that the files on a volume belong to the site in the next image, too.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin likeness \
    && install -d -o likeness -g likeness /data /data/media /run/likeness
# libseccomp, which profiles/pictures/pipeline/sandbox.py needs, is in the base image: apt depends on it.
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_DOTENV= \
    DATABASE_URL=sqlite:////data/db.sqlite3 \
    MEDIA_ROOT=/data/media \
    STATIC_ROOT=/app/staticfiles \
    HOST=0.0.0.0 \
    PORT=8000
# Given by `make image`.
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title=Likeness \
    org.opencontainers.image.licenses=MIT \
    org.opencontainers.image.version=$VERSION \
    org.opencontainers.image.revision=$REVISION
USER 10001
VOLUME /data
EXPOSE 8000
# Not urllib, which would use a proxy if the container has one configured.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "\
import http.client, os, sys; \
site = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT'] or 8000), timeout=4); \
site.request('GET', '/healthz'); \
sys.exit(site.getresponse().status != 200)"]
CMD ["python", "config/serve.py"]

# docker build --target test: the same image with the tests.
FROM product AS test
USER 0
COPY requirements.txt requirements-dev.txt ./
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements-dev.txt
COPY docs docs
COPY tests tests
USER 10001
CMD ["python", "-m", "pytest", "-p", "no:cacheprovider"]

# docker build --target backup: the same image with what deploy/backup.sh needs.
FROM product AS backup
USER 0
# Debian's PostgreSQL is 17, as in compose.yaml. An older pg_dump would refuse a newer server.
# Versions are not pinned, so that each build has the newest fixes.
# hadolint ignore=DL3008
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends postgresql-client rclone restic rsync \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o likeness -g likeness /backup
COPY --chmod=755 deploy/backup.sh deploy/backup.sh
ENV BACKUP_DIR=/backup
USER 10001
HEALTHCHECK NONE
ENTRYPOINT ["deploy/backup.sh"]
CMD []

# The default target.
FROM product
