# Debian and not Alpine: Node's own builds are for glibc, those for musl are unofficial. Paths in RUN are relative to WORKDIR.

FROM node:24-slim AS build
WORKDIR /parley
COPY package.json package-lock.json .npmrc ./
# Not `npm ci`: it refuses a lock file from which a registry's npm left out packages of other platforms.
RUN npm install --include=dev
COPY tsconfig.json tsconfig.build.json vite.config.ts ./
COPY scripts/build.js scripts/installed-packages.js scripts/
COPY src src/
RUN npm run build

FROM node:24-slim AS packages
WORKDIR /parley
COPY package.json package-lock.json .npmrc ./
RUN npm install --omit=dev
# Empty, and the user's in the image: a new volume begins with the owner of the folder that it covers.
RUN mkdir data

FROM node:24-slim
WORKDIR /parley
COPY --from=packages --chown=node:node /parley/data /data
COPY --from=packages /parley/node_modules node_modules/
COPY package.json ./
COPY --from=build /parley/dist dist/
ENV NODE_ENV=production \
    INTERFACE=0.0.0.0 \
    PORT=3000 \
    DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 3000
STOPSIGNAL SIGTERM
# Whether it lives, not whether it is ready: while the store is away a new container would serve nobody better.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((it) => process.exit(it.ok ? 0 : 1), () => process.exit(1))"]
# Node itself is process 1 and takes the signals: SIGTERM ends, SIGHUP replaces the workers one by one.
CMD ["node", "dist/main.js"]
