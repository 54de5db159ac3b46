# Shared by the tools: where the repository is, and what must be there before anything is built. Source it, then call
# daybook_setup. It works as root and as a user with sudo, and needs no network once all is installed.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# The Debian and Ubuntu packages that the build and the embedded PostgreSQL need.
DAYBOOK_PACKAGES=(liblmdb-dev libpq-dev libcrypt-dev zlib1g-dev postgresql)

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

# How programs are built for use: with the Swift runtime inside, and each module optimized with what others have. A
# command takes 15 % less of the processors so, and a tenth more of them go through (Performance).
daybook_release=(swift build -c release --static-swift-stdlib -Xswiftc -cross-module-optimization)

# Builds products for release, and says how far it is: on one line at a terminal, else with a line every 30 seconds.
# Where no source has changed since the last time, it returns at once, without asking SwiftPM.
daybook_build() {
  local folder=.build/daybook-tools began=$SECONDS product
  local log=$folder/build.log
  mkdir -p "$folder"
  daybook_is_built "$@" && return
  if [ -e .build/release ]; then
    echo "2/3 building $* (what has changed: seconds to minutes)" >&2
  else
    echo "2/3 building $* (6 to 15 minutes the first time on two cores, most of it the C of two packages)" >&2
  fi
  # What changes while it is built is newer than this.
  touch "$folder/began"
  for product in "$@"; do daybook_run_build "$log" "${daybook_release[@]}" --product "$product"; done
  for product in "$@"; do
    daybook_build_tools >"$folder/$product.built"
    touch -r "$folder/began" "$folder/$product.built"
  done
  echo "built in $(daybook_minutes $((SECONDS - began)))" >&2
}

# Runs a command that builds, keeps what it says in a file, and says how far it is; a build that fails ends the script.
daybook_run_build() {
  local log=$1 began=$SECONDS pid
  shift
  "$@" >"$log" 2>&1 &
  pid=$!
  trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
  daybook_show_progress "$pid" "$log" "$began"
  if ! wait "$pid"; then
    grep -aE -A 6 'error:' "$log" >&2 || tail -n 40 "$log" >&2
    daybook_fail "the build failed; all that it said is in $ROOT/$log"
  fi
  trap - INT TERM
}

# Whether products were built with this compiler and these packages, and no source has changed since.
daybook_is_built() {
  local product stamp
  for product in "$@"; do
    stamp=.build/daybook-tools/$product.built
    [ -x ".build/release/$product" ] && [ -e "$stamp" ] || return 1
    [ "$(daybook_build_tools)" = "$(cat "$stamp")" ] || return 1
    [ -z "$(find Package.swift Sources -newer "$stamp" -print -quit)" ] || return 1
  done
}

# The compiler, how it is called, and the versions of all packages.
daybook_build_tools() {
  swift --version 2>/dev/null
  echo "${daybook_release[*]}"
  cat Package.resolved 2>/dev/null || true
}

# Says how far a build is until it ends.
daybook_show_progress() {
  local pid=$1 log=$2 began=$3 said=$3 line
  while kill -0 "$pid" 2>/dev/null; do
    if [ -t 2 ] || [ $((SECONDS - said)) -ge 30 ]; then
      said=$SECONDS
      # SwiftPM counts: [1204/2375] Compiling NIOCore Channel.swift
      line="$(tail -c 2000 "$log" | tr '\r' '\n' | grep -aE '^\[[0-9]+/[0-9]+\]|^(Fetching|Cloning|Computing|Creating)' |
        tail -n 1 | cut -c 1-60 || true)"
      line="  $(daybook_minutes $((SECONDS - began))): ${line:-starting}"
      if [ -t 2 ]; then printf '\r%-80s' "$line" >&2; else echo "$line" >&2; fi
    fi
    sleep 0.5
  done
  if [ -t 2 ]; then printf '\r%-80s\r' '' >&2; fi
}

# Says what to try next on the server at an address, once it answers; nothing where the process has ended before.
daybook_propose() {
  local pid=$1 address=$2 proposal
  while kill -0 "$pid" 2>/dev/null; do
    # Before its read models are there, a query would wait for them, and the server's log say so.
    if "$ROOT/.build/release/daybook" status --connect "$address" >/dev/null 2>&1 &&
      proposal=$("$ROOT/.build/release/daybook" next --connect "$address" 2>/dev/null); then
      printf '\n%s\n' "$proposal" >&2
      return
    fi
    sleep 0.3
  done
}

daybook_minutes() {
  if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}
