#!/usr/bin/env bash
# `npm test`: checks, unit tests, tests with real servers and containers, golden data. Installs what these need
# where it may (root on Debian), and says what it skips where it may not.
set -uo pipefail
cd "$(dirname "$0")/.."
# Where root finds setcap and others, whoever runs this.
export PATH="$PATH:/usr/sbin:/sbin"

packages="runc crun docker-registry skopeo apache2-utils uidmap attr git zstd xz-utils bzip2 libcap2-bin"
programs="runc crun docker-registry skopeo htpasswd newuidmap setfattr git zstd xz bzip2 setcap"

missing=""
for program in $programs; do command -v "$program" >/dev/null || missing="$missing $program"; done
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing what the tests need:$missing"
  # shellcheck disable=SC2086
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages; } >/tmp/cairn-apt.log 2>&1 || tail -5 /tmp/cairn-apt.log
  missing=""
  for program in $programs; do command -v "$program" >/dev/null || missing="$missing $program"; done
fi
if [ -n "$missing" ]; then echo "not installed, so tests that need them are skipped:$missing"; fi
bash scripts/test_servers.sh
bash scripts/test_docker.sh
real='test/**/*.test.ts'
sets=llb,cachemaps,contenthash,caches
namespaced=""
if [ "$(id -u)" != 0 ]; then
  echo "not root: tests that make devices are skipped (test/ops, test/snapshots, golden data but llb)"
  real='test/!(cache|ops|snapshots|sources)/**/*.test.ts'
  sets=llb
  # These build in their own process, which has to be root of a user namespace then.
  if unshare --map-root-user --map-auto --mount true 2>/dev/null; then
    namespaced='test/@(cache|sources)/**/*.test.ts'
  else
    echo "no user namespace with subordinate ids here: test/cache and test/sources are skipped"
  fi
fi

failed=""
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
# skopeo looks for credentials in the runtime directory; without a login session it takes one that root may have made.
if [ "$(id -u)" != 0 ]; then export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$logs}; fi
# Hundreds of processes and threads load the same modules.
export NODE_COMPILE_CACHE=$logs/compiled
run() {
  local name=$1 begun=$SECONDS
  echo "== $name"
  shift
  "$@" 2>&1 | tee "$logs/$name"
  [ "${PIPESTATUS[0]}" = 0 ] || failed="$failed $name"
  echo "== $name took $((SECONDS - begun)) s"
}

run build npm run --silent build
run check npm run --silent check -- types lint format
run unit node --test --test-isolation=none --test-reporter=spec 'src/**/*.test.ts' 'scripts/**/*.test.ts'
run real node --test --test-concurrency=1 --test-timeout=600000 --test-reporter=spec "$real"
if [ -n "$namespaced" ]; then
  run namespaced unshare --map-root-user --map-auto --mount node --test --test-concurrency=1 --test-timeout=600000 --test-reporter=spec "$namespaced"
fi
run conformance npm run --silent conformance -- test/conformance --set "$sets"
if [ "$(id -u)" = 0 ]; then run exec npm run --silent conformance -- test/exec-cases --set exec; fi

if [ -n "$failed" ]; then
  # Once more at the end, where it is found: what failed, without what passed.
  for name in $failed; do
    echo "== failures of $name"
    if grep -q '^✖ failing tests:' "$logs/$name"; then sed -n '/^✖ failing tests:/,$p' "$logs/$name"; else tail -60 "$logs/$name"; fi
  done
  echo "FAILED:$failed"
  exit 1
fi
echo "all passed"
