# The product in one small image: no shell, no package manager, an unprivileged user, /data the only place it writes.

FROM rust:1.95-bookworm AS build
WORKDIR /src
# Dependencies first: this layer is built again only when a manifest changes.
COPY Cargo.toml Cargo.lock build.rs ./
COPY actors/Cargo.toml actors/Cargo.toml
COPY bench/Cargo.toml bench/Cargo.toml
RUN mkdir -p src actors/src bench/src \
    && echo '//! Stands in until the sources are copied.' | tee src/lib.rs actors/src/lib.rs bench/src/lib.rs >/dev/null \
    && echo 'fn main() {}' | tee src/main.rs bench/src/main.rs >/dev/null \
    && cargo build --release --locked --package quotalane
COPY . .
RUN touch src/lib.rs src/main.rs actors/src/lib.rs && cargo build --release --locked --package quotalane \
    && install -D target/release/quotalane /out/quotalane && install -d -o 65532 -g 65532 /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="QuotaLane" \
      org.opencontainers.image.description="One dependable, metered endpoint over a pool of upstream AI accounts" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /out/quotalane /quotalane
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /
VOLUME /data
ENV QUOTALANE_SERVER__LISTEN=0.0.0.0:8000 \
    QUOTALANE_OPS__LISTEN=0.0.0.0:9090 \
    QUOTALANE_DATABASE__URL=sqlite:///data/quotalane.db \
    QUOTALANE_JOURNAL__DIR=/data/journal
EXPOSE 8000 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/quotalane", "healthcheck"]
ENTRYPOINT ["/quotalane"]
CMD ["serve"]
