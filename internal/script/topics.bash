
TOPICS=$(find_tool kafka-topics) ||
  die "kafka-topics.sh was not found: set KAFKA_HOME to the folder of Apache Kafka, or add its bin to PATH"
CONFIGS=$(find_tool kafka-configs) ||
  die "kafka-configs.sh was not found: set KAFKA_HOME to the folder of Apache Kafka, or add its bin to PATH"

topics_tool() {
  run_tool "$1" --bootstrap-server "$BOOTSTRAP" ${LOGIN[@]+"${LOGIN[@]}"} "${@:2}"
}

NAMES=()
declare -A PARTITIONS REPLICAS SETTINGS

# topic NAME PARTITIONS REPLICAS notes a topic with the settings on stdin; REPLICAS
# 0 leaves them to the cluster. Nothing is done before all are known.
topic() {
  NAMES+=("$1")
  PARTITIONS[$1]=$2
  REPLICAS[$1]=$3
  SETTINGS[$1]=$(sort)
}

# look reads all topics and what was set on each.
declare -A HAVE_PARTITIONS HAVE_SETTINGS
look() {
  local line name=''
  HAVE_PARTITIONS=()
  HAVE_SETTINGS=()
  topics_tool "$TOPICS" --describe
  if [[ $CODE != 0 || $OUT == *"Error while executing topic command"* ]]; then
    printed
    complain "the topics could not be read"
    return 1
  fi
  while IFS= read -r line; do
    if [[ $line =~ ^Topic:\ *([A-Za-z0-9._-]+)[[:space:]].*PartitionCount:\ *([0-9]+) ]]; then
      HAVE_PARTITIONS[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
    fi
  done <<<"$OUT"
  topics_tool "$CONFIGS" --describe --entity-type topics
  if [[ $CODE != 0 || $OUT == *"Error while executing config command"* ]]; then
    printed
    complain "the settings of the topics could not be read"
    return 1
  fi
  while IFS= read -r line; do
    if [[ $line =~ ^Dynamic\ configs\ for\ topic\ ([A-Za-z0-9._-]+)\ are:$ ]]; then
      name=${BASH_REMATCH[1]}
      HAVE_SETTINGS[$name]=''
    elif [[ -n $name && $line =~ ^\ +([A-Za-z0-9._-]+=.*)\ sensitive=(true|false)\ synonyms= ]]; then
      HAVE_SETTINGS[$name]+=${BASH_REMATCH[1]}$'\n'
    fi
  done <<<"$OUT"
}

# differs NAME prints how a topic that is there is not as it is to be.
differs() {
  local have code=1
  if [[ ${HAVE_PARTITIONS[$1]} != "${PARTITIONS[$1]}" ]]; then
    complain "topic $1: ~ partitions: ${HAVE_PARTITIONS[$1]} there, ${PARTITIONS[$1]} wanted"
    code=0
  fi
  have=$(printf '%s' "${HAVE_SETTINGS[$1]-}" | sort)
  if [[ $have != "${SETTINGS[$1]}" ]]; then
    complain "topic $1: other settings: - is there, + is wanted"
    diff <(printf '%s\n' "$have") <(printf '%s\n' "${SETTINGS[$1]}") | sed -n -e 's/^< \(.\)/    - \1/p' -e 's/^> \(.\)/    + \1/p' >&2 || true
    code=0
  fi
  return "$code"
}

# create NAME
create() {
  local arguments=(--create --topic "$1" --partitions "${PARTITIONS[$1]}") setting
  if [[ ${REPLICAS[$1]} != 0 ]]; then
    arguments+=(--replication-factor "${REPLICAS[$1]}")
  fi
  while IFS= read -r setting; do
    [[ -z $setting ]] || arguments+=(--config "$setting")
  done <<<"${SETTINGS[$1]}"
  topics_tool "$TOPICS" "${arguments[@]}"
  if [[ $CODE != 0 ]]; then
    printed
    complain "topic $1: not created"
    return 1
  fi
  say "topic $1: created with ${PARTITIONS[$1]} partitions"
}

# create_all compares everything before anything is created, and looks again at
# the end.
create_all() {
  local name refused=0 missing=() code tries
  look || exit 1
  for name in "${NAMES[@]}"; do
    if [[ -z ${HAVE_PARTITIONS[$name]-} ]]; then
      missing+=("$name")
    elif differs "$name"; then
      refused=1
    else
      say "topic $name: is there, and equal"
      SAME=$((SAME + 1))
    fi
  done
  if [[ $refused == 1 ]]; then
    complain "topics are there and differ; nothing was created"
    exit 1
  fi
  for name in ${missing[@]+"${missing[@]}"}; do
    if [[ $DRY_RUN == 1 ]]; then
      say "topic $name: would be created with ${PARTITIONS[$name]} partitions"
      CHANGED=$((CHANGED + 1))
      continue
    fi
    code=0
    create "$name" || code=$?
    outcome "$code" "topic $name"
  done
  if [[ $DRY_RUN == 1 || ${#missing[@]} == 0 || $FAILED != 0 ]]; then
    return 0
  fi
  for tries in 1 2 3; do # the brokers may take a moment to show a new topic
    look || exit 1
    FAILED=0
    for name in "${missing[@]}"; do
      if [[ -z ${HAVE_PARTITIONS[$name]-} ]]; then
        [[ $tries != 3 ]] || complain "topic $name: NOT THERE after it was created"
        FAILED=$((FAILED + 1))
      elif differs "$name"; then
        complain "topic $name: was created, and IS NOT AS ASKED"
        FAILED=$((FAILED + 1))
      fi
    done
    [[ $FAILED != 0 ]] || return 0
    sleep 1
  done
}
