#!/usr/bin/env bash
# Puts Docker's daemon, with the BuildKit in it, and buildx where the tests of test/interop find them. They are taken
# out of Debian's packages and not installed: no service starts, no group is made, and a Docker of the machine stays
# as it is. What cannot be had is said, and its tests are skipped.
set -uo pipefail
cd "$(dirname "$0")/.."
log=/tmp/cairn-test-docker.log
. scripts/newer_debian.sh

directory=test/servers/docker
# With the containerd store, without which it exports inline caches only; Debian 12 has no buildx at all.
packages="docker.io/forky containerd/forky docker-buildx/forky"
programs="usr/sbin/dockerd usr/bin/containerd usr/bin/containerd-shim-runc-v2 usr/libexec/docker/cli-plugins/docker-buildx"

unpack_docker() {
  local own=$1 package program
  newer_debian "$own" forky
  # Nothing else is looked for, so no other list is fetched.
  find "$own/sources" -type f ! -name 'newer_*' -delete
  apt_options="$apt_options -o Dir::Etc::sourcelist=/dev/null"
  # shellcheck disable=SC2086
  apt-get $apt_options update || return
  mkdir -p "$own/packages" "$own/root" "$own/bin"
  # shellcheck disable=SC2086
  (cd "$own/packages" && apt-get $apt_options -o APT::Sandbox::User=root download $packages) || return
  for package in "$own"/packages/*.deb; do dpkg-deb --extract "$package" "$own/root" || return; done
  for program in $programs; do mv "$own/root/$program" "$own/bin/" || return; done
  for program in dockerd containerd; do "$own/bin/$program" --version || return; done
  rm -rf "$directory"
  mv -T "$own/bin" "$directory"
}

if [ ! -e $directory/dockerd ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "unpacking docker.io, containerd and docker-buildx: 63 MB, some 15 seconds"
  # Beside its place, so that it can be renamed.
  own=$(mktemp -d "$PWD/test/servers/docker-unpacking.XXXXXX")
  trap 'rm -rf "$own"' EXIT
  unpack_docker "$own" >$log 2>&1 || tail -5 $log
fi
[ -e $directory/dockerd ] || echo "not installed, so tests that need it are skipped: dockerd with docker-buildx"
