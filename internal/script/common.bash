
# --- nothing below depends on what is to be done, up to "what is to be done" ---

set -euo pipefail
export LC_ALL=C # names are bytes here; the tools get TOOL_LOCALE
umask 077

say() { printf '%s\n' "$*"; }
complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  complain "$@"
  exit 2
}

[[ ${BASH_VERSINFO[0]} -ge 4 ]] || die "bash 4 or newer is needed, this is $BASH_VERSION"
[[ -n $BOOTSTRAP ]] || die "BOOTSTRAP is empty: set it to HOST:PORT[,HOST:PORT]"
for switch in DRY_RUN CONTINUE; do
  [[ ${!switch} == [01] ]] || die "$switch is '${!switch}': it must be 0 or 1"
done
LOGIN=()
if [[ -n $COMMAND_CONFIG ]]; then
  [[ -r $COMMAND_CONFIG ]] || die "COMMAND_CONFIG: '$COMMAND_CONFIG' cannot be read"
  LOGIN=(--command-config "$COMMAND_CONFIG")
fi

# find_tool NAME prints where a tool of Kafka is: in KAFKA_HOME when that is set,
# else in PATH, with or without .sh.
find_tool() {
  local candidate
  if [[ -n $KAFKA_HOME ]]; then
    candidate=$KAFKA_HOME/bin/$1.sh
    [[ -x $candidate ]] && printf '%s' "$candidate"
    return
  fi
  command -v "$1.sh" || command -v "$1"
}

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
trap 'complain "interrupted; run it again: it goes on where it stopped"; exit 130' INT TERM HUP

# run_tool COMMAND ARGUMENT... keeps what a tool prints in OUT and ERR. Its exit
# code says little: Kafka's tools end with 0 on most errors. What they print is
# compared with what is expected instead.
run_tool() {
  CODE=0
  env LC_ALL="$TOOL_LOCALE" "$@" </dev/null >"$WORK/out" 2>"$WORK/err" || CODE=$?
  OUT=$(cat "$WORK/out" && printf x)
  OUT=${OUT%x}
  ERR=$(cat "$WORK/err" && printf x)
  ERR=${ERR%x}
}

# printed shows what the last tool said, for the person who has to act on it.
printed() {
  complain "the tool ended with $CODE and printed:"
  printf '%s\n%s\n' "$OUT" "$ERR" | grep -v -e '^[[:space:]]*$' -e '^[[:space:]]*at ' | head -n 20 | sed 's/^/    /' >&2 || true
}

# check_cluster compares the cluster with the one that this script is for.
check_cluster() {
  if [[ -z $CLUSTER_ID ]]; then
    return 0
  fi
  local tool login=()
  if ! tool=$(find_tool kafka-cluster); then
    complain "kafka-cluster.sh was not found: that this is cluster $CLUSTER_ID is not checked"
    return 0
  fi
  if [[ -n $COMMAND_CONFIG ]]; then
    login=(--config "$COMMAND_CONFIG")
  fi
  run_tool "$tool" cluster-id --bootstrap-server "$BOOTSTRAP" ${login[@]+"${login[@]}"}
  if [[ $OUT == *"Cluster ID: $CLUSTER_ID"$'\n'* ]]; then
    return 0
  fi
  printed
  die "$BOOTSTRAP is not cluster $CLUSTER_ID, which this script is for; nothing was changed (CLUSTER_ID= leaves this check out)"
}

FAILED=0
CHANGED=0
SAME=0

# outcome CODE LABEL counts; the first failure ends the script, unless CONTINUE=1.
outcome() {
  case $1 in
    0) CHANGED=$((CHANGED + 1)) ;;
    3) SAME=$((SAME + 1)) ;;
    *)
      FAILED=$((FAILED + 1))
      if [[ $CONTINUE == 0 ]]; then
        complain "stopped at $2: what comes after it in this script was not tried (CONTINUE=1 goes on past failures)"
        exit 1
      fi
      ;;
  esac
}

# finish sums up and ends the script.
finish() {
  local changed=changed
  [[ $DRY_RUN == 0 ]] || changed="would be changed"
  say "$CHANGED $changed, $SAME already as they should be, $FAILED failed"
  [[ $FAILED == 0 ]] || exit 1
  exit 0
}
