# Steps of a long script, each with its time in a table at the end. Sourced by scripts with `set -e`, which stays in force
# within the steps.

STEPS=()
STEP=""
STEP_BEGAN=0

# step NAME COMMAND...
step() {
  STEP=$1 STEP_BEGAN=$SECONDS
  shift
  printf '\n== %s\n' "$STEP"
  "$@"
  step_ended ""
}

step_ended() {
  STEPS+=("$(printf '%8s  %s%s' "$((SECONDS - STEP_BEGAN))" "$STEP" "$1")")
  STEP=""
}

# What each step took; meant for the exit of the script, however it ends.
steps_table() {
  [ -z "$STEP" ] || step_ended "  (failed)"
  [ ${#STEPS[@]} -gt 0 ] || return 0
  printf '\n%8s  step\n' seconds
  printf '%s\n' "${STEPS[@]}"
  printf '%8s  in all\n' "$SECONDS"
}
