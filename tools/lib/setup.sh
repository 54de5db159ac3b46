# Shared by the tools: where the repository is, and what must be there before anything is built.
# Source it, then call daybook_setup. It works as root and as a user with sudo, and needs no network once all is installed.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# The Debian and Ubuntu packages that the build and the embedded PostgreSQL need.
DAYBOOK_PACKAGES=(liblmdb-dev libpq-dev libcrypt-dev postgresql)

daybook_fail() {
  echo "error: $*" >&2
  exit 1
}

daybook_as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    daybook_fail "installing packages needs root; install them yourself: apt-get install ${DAYBOOK_PACKAGES[*]}"
  fi
}

daybook_install_packages() {
  local missing=() package
  for package in "${DAYBOOK_PACKAGES[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || daybook_fail "these packages are missing and there is no apt-get: ${missing[*]}"
  echo "installing ${missing[*]}" >&2
  # The lists may be old or absent: try without them first, since an update needs the network.
  daybook_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 && return
  daybook_as_root apt-get update -qq >&2 || daybook_fail "apt-get update failed; is there a network?"
  daybook_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    daybook_fail "apt-get could not install: ${missing[*]}"
}

daybook_check_swift() {
  command -v swift >/dev/null ||
    daybook_fail "Swift is not on the PATH. Install Swift 6.2 or newer from https://swift.org/install, then try again."
  local version
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
  [ "$(printf '%s\n6.2\n' "$version" | sort -V | head -n 1)" = 6.2 ] ||
    daybook_fail "Swift ${version:-of an unknown version} is too old; Daybook needs 6.2 or newer."
}

daybook_setup() {
  cd "$ROOT" || daybook_fail "can't enter $ROOT"
  daybook_check_swift
  daybook_install_packages
}
