#!/usr/bin/env bash
# Builds examples/demo twice without a registry and without a daemon, and says where the image is.
set -euo pipefail
cd "$(dirname "$0")/.."

layout=test/conformance/base-images/layout
digest=$(node -e '
  const index = JSON.parse(require("node:fs").readFileSync(process.argv[1]));
  const name = "docker.io/library/busybox:latest";
  process.stdout.write(index.manifests.find((m) => m.annotations["org.opencontainers.image.ref.name"] === name).digest);
' "$layout/index.json")
work=${CAIRN_DEMO_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/cairn-demo.XXXXXX")}
mkdir -p "$work"
export CAIRN_ROOT="$work/store"

build() {
  echo "\$ cairn build --build-context base=oci-layout://… --output type=oci,dest=$work/demo.tar examples/demo"
  node bin/cairn.js build --progress plain \
    --build-context "base=oci-layout://$layout@$digest" \
    --output "type=oci,dest=$work/demo.tar,name=demo:latest" examples/demo
}

echo '== the first build runs every step'
build
echo
echo '== the second finds every step in the store'
build
echo
echo "The image is an OCI archive: $work/demo.tar"
echo "Load it with: podman load -i $work/demo.tar   or   skopeo copy oci-archive:$work/demo.tar docker-daemon:demo:latest"
echo "The store is $CAIRN_ROOT; remove both with: rm -r $work"
