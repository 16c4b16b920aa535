# shellcheck shell=bash
# What backup.sh and restore.sh share. $root is the top of the repository.

# The path as seen from anywhere.
absolute() {
  case "$1" in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$PWD" "$1" ;;
  esac
}

# Sets what .env and backend/.env say and the environment does not. The program reads them, in the dialect of a node; where
# there is none on this machine, the lines are read here in its simpler forms. They are never run.
read_settings() {
  local file program pairs
  program="$(find_program)" || program=""
  for file in "$root/.env" "$root/backend/.env"; do
    [ -f "$file" ] || continue
    if [ -n "$program" ]; then
      pairs="$(mktemp)"
      "$program" config --env-file "$file" > "$pairs" || { rm -f "$pairs"; exit 1; }
      set_pairs < "$pairs"
      rm -f "$pairs"
    else
      set_pairs < <(simple_pairs "$file")
    fi
  done
  compose_url
}

# Sets what NAME=VALUE with a NUL behind each says.
set_pairs() {
  local pair name value
  while IFS= read -r -d '' pair; do
    name="${pair%%=*}"
    value="${pair#*=}"
    [[ "$name" =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || continue
    # relative to where .env is, as everything in it
    if [ "$name" = BACKUP_DIR ] && [ -n "$value" ]; then
      case "$value" in /*) ;; *) value="$root/${value#./}" ;; esac
    fi
    [ -n "${!name:-}" ] || export "$name=$value"
  done
}

# Values on one line and without variables, which is all that the settings of the scripts need.
simple_pairs() {
  local line value
  while IFS= read -r line || [ -n "$line" ]; do
    line="${line#$'\xef\xbb\xbf'}"
    line="${line%$'\r'}"
    line="${line#export }"
    [[ "$line" =~ ^[[:space:]]*([A-Za-z_][A-Za-z0-9_]*)[[:blank:]]*[=:](.*)$ ]] || continue
    local name="${BASH_REMATCH[1]}"
    value="${BASH_REMATCH[2]}"
    [[ "$value" != [[:blank:]]#* ]] || value=""
    value="${value#"${value%%[![:blank:]]*}"}"
    case "$value" in
      \"*) value="${value#\"}" value="${value%%\"*}" ;;
      \'*) value="${value#\'}" value="${value%%\'*}" ;;
      *)
        value="${value%% #*}"
        value="${value%"${value##*[![:space:]]}"}"
        ;;
    esac
    printf '%s=%s\0' "$name" "$value"
  done < "$1"
}

# The guide's older scripts name user and password apart from the URL.
compose_url() {
  local url="${MONGODB_URL:-${MONGODB_URI:-}}"
  if [ -n "${MONGO_USERNAME:-}" ] && [ -n "${MONGO_PASSWORD:-}" ] && [[ "$url" == mongodb*://* ]] && [[ "$url" != *@* ]]; then
    local separator='?'
    [[ "$url" == *'?'* ]] && separator='&'
    [[ "${url#*://}" == */* ]] || url="$url/"
    url="${url%%://*}://$(encoded "$MONGO_USERNAME"):$(encoded "$MONGO_PASSWORD")@${url#*://}"
    export MONGODB_URL="$url${separator}authSource=${MONGO_AUTH_DB:-admin}"
  fi
}

# Percent-encoded, for a place in a URL.
encoded() {
  local LC_ALL=C text="$1" out="" at char
  for ((at = 0; at < ${#text}; at++)); do
    char="${text:at:1}"
    case "$char" in
      [A-Za-z0-9._~-]) out+="$char" ;;
      *) out+="$(printf '%%%02X' "'$char")" ;;
    esac
  done
  printf '%s' "$out"
}

# Runs the program in the repository, where relative paths of .env begin. Its code 2, a refused configuration, is our 1:
# our 2 is a missing tool.
run_metastamp() {
  local code=0 program
  if program="$(find_program)"; then
    (cd "$root" && exec "$program" "$@") || code=$?
  elif command -v docker > /dev/null && docker compose version > /dev/null 2>&1; then
    in_compose "$@" || code=$?
  else
    echo "error: metastamp is not here: set METASTAMP_BIN, or build it with cargo build --release" >&2
    code=-2
  fi
  case "$code" in
    -2) exit 2 ;;
    2) exit 1 ;;
    *) exit "$code" ;;
  esac
}

find_program() {
  local program
  if [ -n "${METASTAMP_BIN:-}" ]; then
    if [ -x "$METASTAMP_BIN" ]; then
      printf '%s\n' "$METASTAMP_BIN"
      return
    fi
    return 1
  fi
  if program="$(command -v metastamp)"; then
    printf '%s\n' "$program"
    return
  fi
  program="$root/target/release/metastamp"
  [ -x "$program" ] && printf '%s\n' "$program"
}

# A container of its own, beside the nodes, that sees the directories of backups under their paths.
in_compose() {
  local service="${METASTAMP_SERVICE:-backend}" mounts=() previous="" argument
  # a container has no view of this machine's directories
  if [ "$1" = backup ] && [[ " $* " != *" --dir "* ]]; then
    set -- "$@" --dir "$root/backups"
  fi
  for argument in "$@"; do
    case "$previous" in
      --dir) mkdir -p "$argument" && mounts+=(-v "$argument:$argument") ;;
    esac
    [[ "$argument" == /* && -f "$argument" ]] && mounts+=(-v "$argument:$argument:ro")
    previous="$argument"
  done
  # by name only: values have no place on a command line
  local name settings=()
  for name in BACKUP_RETENTION_DAYS BACKUP_MIN_COUNT S3_UPLOAD_ENABLED BACKUP_S3_BUCKET S3_BUCKET S3_PREFIX \
    BACKUP_S3_REGION BACKUP_S3_ENDPOINT_URL AWS_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY MONGODB_URL; do
    [ -z "${!name:-}" ] || settings+=(-e "$name")
  done
  local file="${COMPOSE_FILE:-$root/compose/docker-compose.yml}"
  docker compose --project-directory "$root" --file "$file" run --rm --no-deps -T --user "$(id -u)" \
    "${settings[@]}" "${mounts[@]}" "$service" "$@"
}
