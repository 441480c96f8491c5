# The image of srcprom. It copies what `make image` has built; nothing is
# compiled, fetched or run here, so any base without a shell will do. Time zone
# data and, as a fallback, CA roots are in the binary: BASE_IMAGE=scratch works.
ARG BASE_IMAGE=gcr.io/distroless/static-debian12
FROM ${BASE_IMAGE}

COPY LICENSE NOTICE /licenses/
COPY --chmod=0755 bin/srcprom /bin/srcprom
# An empty directory, so that a new volume belongs to the user below.
COPY --chown=100:101 bin/prometheus/ /prometheus/

# As in the sourcegraph/prometheus image, whose volumes are opened as they are.
# In numbers: the base need not know the names, and Kubernetes can tell that this
# is not root.
USER 100:101

# The two loopback ports are those that deployed configuration files name.
ENV STORAGE_PATH=/prometheus \
    PROMETHEUS_INTERNAL_PORT=9092 \
    ALERTMANAGER_INTERNAL_PORT=9093

VOLUME ["/prometheus"]
EXPOSE 9090
ENTRYPOINT ["/bin/srcprom"]
