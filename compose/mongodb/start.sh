#!/usr/bin/env bash
# Starts MongoDB as a member of a replica set with logins switched on, which needs a key file that all members share.
# A set of one member makes its own; put a file in its place when there are more.
set -euo pipefail

key=/data/db/metastamp-keyfile
if [ ! -s "$key" ]; then
  (umask 077 && head -c 756 /dev/urandom | base64 -w 0 > "$key.new")
  mv "$key.new" "$key"
fi
chmod 400 "$key"
chown mongodb:mongodb "$key"
exec docker-entrypoint.sh "$@" --keyFile "$key"
