# Sourced by the scripts that install what tests need: packages of a newer Debian than the machine's own.

# Makes lists, sources and preferences of apt's own in directory $1, in which suite $2 comes after all of the machine's
# sources, and sets apt_options to use them: nothing of the machine changes but what is installed with them.
newer_debian() {
  local own=$1 suite=$2 mirror
  mkdir -p "$own/lists/partial" "$own/sources" "$own/preferences"
  cp /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list "$own/sources/" 2>/dev/null
  cp /etc/apt/preferences.d/* "$own/preferences/" 2>/dev/null
  mirror=$(cat /etc/apt/sources.list "$own"/sources/* 2>/dev/null | grep -v '^ *#' |
    grep -oE '[a-z]+://[^ ]+/debian/?( |$)' | head -1)
  echo "deb $mirror $suite main" >"$own/sources/newer_$suite.list"
  printf 'Package: *\nPin: release n=%s\nPin-Priority: 50\n' "$suite" >"$own/preferences/newer_$suite"
  apt_options="-o Dir::State::lists=$own/lists -o Dir::Etc::sourceparts=$own/sources -o Dir::Etc::preferencesparts=$own/preferences"
}
