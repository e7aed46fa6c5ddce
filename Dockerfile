# The site in one image: code and collected static files, owned by root. /data holds the database and
# the pictures. docs/deploying.md says how to run it.

FROM python:3.13-slim AS build
WORKDIR /app
# The image's own pip fills it: the running site needs no pip.
RUN python -m venv --without-pip /venv
COPY requirements.txt ./
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements.txt
COPY manage.py ./
COPY config config
# The page /how-it-works/ quotes it.
COPY examples/smallest examples/smallest
COPY locale locale
COPY profiles profiles
COPY static static
COPY templates templates
# collectstatic does not need the key, but the settings do not load without one.
RUN DJANGO_DOTENV="" DJANGO_SECRET_KEY=only-to-collect STATIC_ROOT=/app/staticfiles \
    /venv/bin/python manage.py collectstatic --noinput
# Compile now, since /app is read-only when the site runs. Make it readable for all users, whatever
# the umask of the clone was.
RUN /venv/bin/python -m compileall -q /app/config /app/profiles \
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
USER 10001
VOLUME /data
EXPOSE 8000
# Not urllib, which would use a proxy if the container has one configured.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "\
import http.client, os, sys; \
site = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); \
site.request('GET', '/healthz'); \
sys.exit(site.getresponse().status != 200)"]
CMD ["gunicorn", "--config", "config/gunicorn.conf.py", "config.wsgi"]

# docker build --target test: the same image with the tests.
FROM product AS test
USER 0
COPY requirements.txt requirements-dev.txt pyproject.toml ./
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements-dev.txt
COPY docs docs
COPY examples examples
COPY tests tests
USER 10001
CMD ["python", "-m", "pytest", "-p", "no:cacheprovider"]

# The default target.
FROM product
