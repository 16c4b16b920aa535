#!/usr/bin/env bash
# Backs META-STAMP up: scripts/backup.sh [options]
#   -s, --s3              send the archive to BACKUP_S3_BUCKET as well
#       --full            include the objects, not only the records
#   -r, --retention DAYS  remove archives older than so many days; BACKUP_MIN_COUNT (7) stay
#   -d, --dir PATH        where archives are kept (BACKUP_DIR, ./backups)
#   -b, --database NAME   database to back up (MONGO_DATABASE, MONGODB_DATABASE)
#   -n, --dry-run         say what would be done, and do nothing
#   -v, --verbose         say more
#   -q, --quiet           say nothing but warnings and the path of the archive
#   -h, --help            this text
# Settings come from the environment, then .env, then backend/.env. METASTAMP_BIN names the program; without one on this
# machine it is run in the compose service of that name (METASTAMP_SERVICE, backend).
# Exit codes: 1 general, 2 a tool is missing, 3 dump, 4 archive, 5 S3, 6 arguments.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/lib/metastamp.sh
source "$root/scripts/lib/metastamp.sh"

refuse() {
  echo "error: $1 (see --help)" >&2
  exit 6
}

arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    -s | --s3 | --full | -n | --dry-run | -v | --verbose | -q | --quiet) arguments+=("$1") ;;
    -r | --retention)
      [[ "${2:-}" =~ ^[1-9][0-9]{0,4}$ ]] || refuse "$1 takes a number of days"
      arguments+=(--retention "$2")
      shift
      ;;
    -d | --dir)
      [ -n "${2:-}" ] || refuse "$1 takes a path"
      BACKUP_DIR="$(absolute "$2")"
      shift
      ;;
    -b | --database)
      [[ "${2:-}" =~ ^[A-Za-z0-9_-]{1,63}$ ]] || refuse "$1 takes a name"
      MONGO_DATABASE="$2"
      shift
      ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) refuse "unknown argument: $1" ;;
  esac
  shift
done

read_settings
if [ -n "${BACKUP_DIR:-}" ]; then
  arguments+=(--dir "$(absolute "$BACKUP_DIR")")
fi
if [ -n "${MONGO_DATABASE:-}" ]; then
  arguments+=(--database "$MONGO_DATABASE")
fi
run_metastamp backup "${arguments[@]}"
