#!/usr/bin/env bash
# Restores a backup of META-STAMP: scripts/restore.sh [options] FILE
#   FILE                an archive of backup.sh, its dump.gz, or an archive of mongodump
#       --verify        only read it from beginning to end and say whether it is intact
#   -y, --yes           do not ask before what is there is replaced
#   -b, --database NAME database within the archive, when there are several
#   -v, --verbose       say more
#   -q, --quiet         say nothing but warnings
#   -h, --help          this text
# Stop all nodes first. Settings come from the environment, then .env, then backend/.env. METASTAMP_BIN names the
# program; without one on this machine it is run in the compose service of that name (METASTAMP_SERVICE, backend).
# Exit codes: 1 general, 2 a tool is missing, 4 the archive is damaged (nothing was touched), 6 arguments.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/lib/metastamp.sh
source "$root/scripts/lib/metastamp.sh"

refuse() {
  echo "error: $1 (see --help)" >&2
  exit 6
}

arguments=()
file=""
while [ $# -gt 0 ]; do
  case "$1" in
    --verify | -y | --yes | -v | --verbose | -q | --quiet) arguments+=("$1") ;;
    -b | --database)
      [[ "${2:-}" =~ ^[A-Za-z0-9_-]{1,63}$ ]] || refuse "$1 takes a name"
      arguments+=(--database "$2")
      shift
      ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) refuse "unknown argument: $1" ;;
    *)
      [ -z "$file" ] || refuse "one file at a time"
      file="$1"
      ;;
  esac
  shift
done
[ -n "$file" ] || refuse "which file?"
[ -f "$file" ] || refuse "no such file: $file"
file="$(absolute "$file")"

read_settings
run_metastamp restore "${arguments[@]}" "$file"
