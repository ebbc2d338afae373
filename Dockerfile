# One image for every piece; the command chooses which (deploy/container/entrypoint.sh lists them).
#
#   packages ──► installed ──► the image      what the lock file names, without tools; changes rarely
#      └───────► project ────►                our own code; changes often, so it is a layer of its own

FROM python:3.13-slim AS packages
COPY requirements.txt .
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
        --require-hashes --only-binary :all: -r requirements.txt

FROM packages AS project
COPY pyproject.toml README.md LICENSE /source/
COPY service /source/service
COPY lambda_shim /source/lambda_shim
COPY sandbox /source/sandbox
RUN pip --python /venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
        --no-deps --no-build-isolation --target /app /source \
    && python -m compileall -q --invalidation-mode unchecked-hash /app

FROM packages AS installed
# setuptools is in the lock file to build with. The names of places and carriers are most of phonenumbers and not asked for.
RUN pip --python /venv/bin/python uninstall --yes --quiet --disable-pip-version-check setuptools \
    && cd /venv/lib/python3.13/site-packages \
    && rm -r phonenumbers/geodata phonenumbers/carrierdata phonenumbers/tzdata \
    && echo /app > whatsapp_channel.pth \
    && python -m compileall -q --invalidation-mode unchecked-hash .

FROM python:3.13-slim
RUN groupadd --gid 10001 channel \
    && useradd --uid 10001 --gid channel --home-dir /app --no-create-home --shell /usr/sbin/nologin channel \
    && install -d -o channel -g channel /app/var
# On Fargate a volume takes its owner and mode from here; without this line, it would be root's alone.
VOLUME /tmp
COPY --from=installed /venv /venv
COPY --chmod=555 deploy/container/entrypoint.sh /usr/local/bin/entrypoint
COPY --chmod=555 deploy/container/alive.py /usr/local/bin/alive
COPY --from=project /app /app
# Everything is compiled above, and the file system may be read-only: there is nothing to write.
ENV PATH=/app/bin:/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 CMD ["alive"]
ENTRYPOINT ["entrypoint"]
CMD ["web"]
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whatsapp-channel" \
      org.opencontainers.image.description="A self-hosted WhatsApp channel for campaign systems" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
