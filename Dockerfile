# syntax=docker/dockerfile:1
# The operator and nothing else: one static binary on an empty, non-root image.

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src

COPY go.mod go.sum ./
RUN go mod download

COPY api api
COPY cmd/manager cmd/manager
COPY internal internal

ARG TARGETOS TARGETARCH VERSION=dev
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /manager ./cmd/manager

FROM gcr.io/distroless/static:nonroot

ARG VERSION=dev
LABEL org.opencontainers.image.title="databricks-operator" \
      org.opencontainers.image.description="Databricks clusters as Kubernetes objects" \
      org.opencontainers.image.source="https://github.com/databricks-operator/databricks-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"

COPY --from=build /manager /manager
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["/manager"]
