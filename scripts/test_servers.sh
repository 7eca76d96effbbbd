#!/usr/bin/env bash
# Installs the servers of object storage that the tests run against: Azurite by npm, moto by apt (as root on Debian).
# What cannot be installed is said, and its tests are skipped.
set -uo pipefail
cd "$(dirname "$0")/.."
log=/tmp/cairn-test-servers.log

azurite=test/servers/azurite
if [ ! -e $azurite/node_modules/azurite ]; then
  echo "installing azurite: 63 MB, some 15 seconds"
  (cd $azurite && npm ci) >$log 2>&1 || { tail -5 $log; rm -rf $azurite/node_modules; }
fi
[ -e $azurite/node_modules/azurite ] || echo "not installed, so tests that need it are skipped: azurite"

# Debian 12 has no moto; the one of Debian 13 runs on it. It is fetched with lists and sources of its own, so that
# nothing of the machine changes but these packages.
install_moto() {
  local packages="python3-moto python3-flask-cors python3-multipart"
  local own options mirror
  if apt-cache show python3-moto >/dev/null 2>&1; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages && return
  fi
  own=$(mktemp -d)
  mkdir -p "$own/lists/partial" "$own/sources" "$own/preferences"
  cp /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list "$own/sources/" 2>/dev/null
  mirror=$(cat /etc/apt/sources.list "$own"/sources/* 2>/dev/null | grep -v '^ *#' |
    grep -oE '[a-z]+://[^ ]+/debian/?( |$)' | head -1)
  echo "deb $mirror trixie main" >"$own/sources/trixie.list"
  printf 'Package: *\nPin: release n=trixie\nPin-Priority: 50\n' >"$own/preferences/trixie"
  cp /etc/apt/preferences.d/* "$own/preferences/" 2>/dev/null
  options="-o Dir::State::lists=$own/lists -o Dir::Etc::sourceparts=$own/sources -o Dir::Etc::preferencesparts=$own/preferences"
  # shellcheck disable=SC2086
  apt-get $options update &&
    DEBIAN_FRONTEND=noninteractive apt-get $options install -y --no-install-recommends ${packages/moto/moto/trixie}
  local result=$?
  rm -rf "$own"
  return $result
}
if [ ! -x /usr/bin/moto_server ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing moto: 15 MB, some 30 seconds"
  install_moto >$log 2>&1 || tail -5 $log
fi
[ -x /usr/bin/moto_server ] || echo "not installed, so tests that need it are skipped: moto"
