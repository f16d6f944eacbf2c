# The image holds the program and nothing to run a shell with. Settings, secrets and database live in /data:
#   docker run --rm -it -v countersign-data:/data countersign init
#   docker run -d -v countersign-data:/data countersign
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/countersign . && mkdir /out/data

# Certificates and time zones come with the base (the program carries time zones, too).
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/countersign /usr/local/bin/countersign
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["countersign", "health"]
ENTRYPOINT ["countersign"]
CMD ["serve"]
