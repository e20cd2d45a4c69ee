# The `dispatcher` command in an image; compose.yaml runs its roles. Log and results belong on a volume at /data.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary=:all: -r requirements/build.txt
COPY . .
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.13-slim
COPY requirements/runtime.txt /tmp/
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary=:all: -r /tmp/runtime.txt
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
    && useradd --system --create-home --home-dir /data dispatcher
USER dispatcher
WORKDIR /data
VOLUME /data
ENV DISPATCHER_CONFIG=/etc/dispatcher/dispatcher.toml
# An orderly stop drains the lanes; give it time (docker stop --time 30).
STOPSIGNAL SIGTERM
ENTRYPOINT ["dispatcher"]
CMD ["run"]
