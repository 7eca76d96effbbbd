#!/usr/bin/env bash
# Installs the servers of object storage that the tests run against: Azurite by npm, moto by apt (as root on Debian).
# What cannot be installed is said, and its tests are skipped.
set -uo pipefail
cd "$(dirname "$0")/.."
log=/tmp/cairn-test-servers.log
. scripts/newer_debian.sh

azurite=test/servers/azurite
if [ ! -e $azurite/node_modules/azurite ]; then
  echo "installing azurite: 63 MB, some 15 seconds"
  (cd $azurite && npm ci) >$log 2>&1 || { tail -5 $log; rm -rf $azurite/node_modules; }
fi
[ -e $azurite/node_modules/azurite ] || echo "not installed, so tests that need it are skipped: azurite"

# Debian 12 has no moto; the one of Debian 13 runs on it.
install_moto() {
  local packages="python3-moto python3-flask-cors python3-multipart"
  local own result
  if apt-cache show python3-moto >/dev/null 2>&1; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages && return
  fi
  own=$(mktemp -d)
  newer_debian "$own" trixie
  # shellcheck disable=SC2086
  apt-get $apt_options update &&
    DEBIAN_FRONTEND=noninteractive apt-get $apt_options install -y --no-install-recommends ${packages/moto/moto/trixie}
  result=$?
  rm -rf "$own"
  return $result
}
if [ ! -x /usr/bin/moto_server ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing moto: 15 MB, some 30 seconds"
  install_moto >$log 2>&1 || tail -5 $log
fi
[ -x /usr/bin/moto_server ] || echo "not installed, so tests that need it are skipped: moto"
