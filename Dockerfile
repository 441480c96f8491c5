# The image of srcprom. It copies what `make image` has built; nothing is
# compiled, fetched or run here, so any base without a shell will do. Time zone
# data and, as a fallback, CA roots are in the binary: BASE_IMAGE=scratch works.
ARG BASE_IMAGE=gcr.io/distroless/static-debian12
FROM ${BASE_IMAGE}

COPY LICENSE NOTICE /licenses/
COPY --chmod=0755 bin/srcprom /bin/srcprom
# What runs until an operator mounts something at /sg_prometheus_add_ons.
COPY --chmod=0755 packaging/sg_config_prometheus/ /sg_config_prometheus/
# Empty directories, so that new volumes belong to the user below. Nothing is written
# to the second one: what an Alertmanager has left in it is imported.
COPY --chown=100:101 bin/empty/ /prometheus/
COPY --chown=100:101 bin/empty/ /alertmanager/

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
