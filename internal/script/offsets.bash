
CONSUMER_GROUPS=$(find_tool kafka-consumer-groups) ||
  die "kafka-consumer-groups.sh was not found: set KAFKA_HOME to the folder of Apache Kafka, or add its bin to PATH"

groups_tool() {
  run_tool "$CONSUMER_GROUPS" --bootstrap-server "$BOOTSTRAP" ${LOGIN[@]+"${LOGIN[@]}"} --timeout "$TIMEOUT_MS" "$@"
}

# look GROUP LABEL reads what a group has: NOW["topic,partition"] is its offset.
# It fails unless the group is without members, or not there at all (ABSENT=1).
declare -A NOW
look() {
  local find=$'\n'"$1 " tag=$'\n@ ' text line topic partition offset rest
  NOW=()
  ABSENT=0
  groups_tool --describe "--group=$1"
  if [[ $OUT$ERR == *"Consumer group '$1' does not exist."* || $OUT$ERR == *"Exception: Group $1 not found."* ]]; then
    ABSENT=1
    return 0
  fi
  if [[ $OUT$ERR != *"Consumer group '$1' has no active members."* ]]; then
    printed
    case $OUT$ERR in
      *"has no active members."* | *" does not exist."* | *" not found."*)
        complain "$2: the tool did not understand the name; set TOOL_LOCALE to a UTF-8 locale of this machine (locale -a)" ;;
      *CONSUMER-ID*) complain "$2: the group has members; stop its application" ;;
      *) complain "$2: the group could not be read" ;;
    esac
    return 1
  fi
  # The name may hold blanks and line ends: it is cut off before lines are split.
  text=$'\n'$OUT
  text=${text//"$find"/$tag}
  if [[ $text == *"$tag"* && ! $OUT =~ GROUP\ +TOPIC\ +PARTITION\ +CURRENT-OFFSET\ +LOG-END-OFFSET ]]; then
    printed
    complain "$2: this version of the tool prints other columns than this script knows"
    return 1
  fi
  while IFS= read -r line; do
    [[ $line == '@ '* ]] || continue
    read -r topic partition offset rest <<<"${line#'@ '}"
    if [[ $topic =~ ^[A-Za-z0-9._-]+$ && $partition =~ ^[0-9]+$ && $offset =~ ^[0-9]+$ ]]; then
      NOW[$topic,$partition]=$offset
    fi
  done <<<"$text"
}

# read_rows takes the rows of a group from stdin: TOPIC,PARTITION,BEFORE,AFTER.
# "-" is no position; BEFORE "*" is whatever the group has.
read_rows() {
  local topic partition before after
  KEYS=()
  BEFORE=()
  AFTER=()
  while IFS=, read -r topic partition before after; do
    KEYS+=("$topic,$partition")
    BEFORE+=("$before")
    AFTER+=("$after")
  done
}

# compare LABEL judges what the group has against the rows: 0 when there is
# something to do, 3 when it is as planned, 1 when it has moved since. A row that
# already is as planned was done by an earlier run of this script.
compare() {
  local i now todo=0 moved=0
  for i in "${!KEYS[@]}"; do
    now=${NOW[${KEYS[i]}]:--}
    if [[ $now == "${AFTER[i]}" ]]; then
      continue
    fi
    todo=1
    if [[ ${BEFORE[i]} != '*' && $now != "${BEFORE[i]}" ]]; then
      moved=1
      complain "$1: ${KEYS[i]} is at $now; when this script was made it was at ${BEFORE[i]}"
    fi
  done
  if [[ $moved == 1 ]]; then
    complain "$1: the group has moved since; nothing of it was changed. Make a new plan and a new script"
    return 1
  fi
  [[ $todo == 1 ]] || return 3
}

# show prints each change that is to be made.
show() {
  local i now
  for i in "${!KEYS[@]}"; do
    now=${NOW[${KEYS[i]}]:--}
    [[ $now == "${AFTER[i]}" ]] || say "  ${KEYS[i]}: $now -> ${AFTER[i]}"
  done
}

# offsets_of prints the rows of what --export printed, sorted. The tool quotes
# long names, and topics have no quotes in theirs.
offsets_of() { tr -d '"\r' <<<"$1" | grep -E '^[A-Za-z0-9._-]+,[0-9]+,-?[0-9]+$' | sort || true; }

# reset GROUP LABEL dry-run|execute gives the group the positions of $WORK/csv and
# compares those that the tool printed: it moves offsets that are out of range to
# the edge of the log, with a warning that is easily missed, if at all.
reset() {
  local want got
  groups_tool --reset-offsets "--group=$1" --from-file "$WORK/csv" "--$3" --export
  want=$(sort "$WORK/csv")
  got=$(offsets_of "$OUT")
  if [[ $want == "$got" ]]; then
    return 0
  fi
  printed
  if [[ -n $got ]]; then
    complain "$2: out of range: the tool would not set what is asked for (<), but the edge of the log (>):"
    diff <(printf '%s\n' "$want") <(printf '%s\n' "$got") | grep '^[<>]' | head -n 20 | sed 's/^/    /' >&2 || true
  fi
  if [[ $3 == dry-run ]]; then
    complain "$2: refused; nothing of this group was changed"
  else
    complain "$2: the tool did not say that it has set every position"
  fi
  return 1
}

# try_positions GROUP LABEL: see positions.
try_positions() {
  local i now code=0 sets=0 topic before_topic='' deletes=()
  look "$1" "$2" || return 1
  compare "$2" || code=$?
  [[ $code == 0 ]] || return "$code"
  show
  : >"$WORK/csv"
  for i in "${!KEYS[@]}"; do
    now=${NOW[${KEYS[i]}]:--}
    topic=${KEYS[i]%,*}
    if [[ $now == "${AFTER[i]}" ]]; then
      continue
    elif [[ ${AFTER[i]} != - ]]; then
      printf '%s,%s\n' "${KEYS[i]}" "${AFTER[i]}" >>"$WORK/csv"
      sets=1
    elif [[ $topic == "$before_topic" ]]; then
      deletes[${#deletes[@]}-1]+=,${KEYS[i]##*,}
    else
      deletes+=(--topic "$topic:${KEYS[i]##*,}")
      before_topic=$topic
    fi
  done
  if [[ $sets == 1 ]]; then
    reset "$1" "$2" dry-run || return 1
  fi
  if [[ $DRY_RUN == 1 ]]; then
    return 0
  fi
  if [[ $sets == 1 ]]; then
    reset "$1" "$2" execute || code=1
  fi
  if [[ $code == 0 && ${#deletes[@]} -gt 0 ]]; then
    groups_tool --delete-offsets "--group=$1" "${deletes[@]}"
    if [[ $OUT == *Error* ]]; then
      printed # what it did is read back below
    fi
  fi
  read_back "$1" "$2" && [[ $code == 0 ]]
}

# read_back GROUP LABEL looks again: what counts is what is there.
read_back() {
  local i now wrong=0
  if ! look "$1" "$2"; then
    complain "$2: WRITTEN BUT NOT READ BACK: run this script again to see what the group has"
    return 1
  fi
  for i in "${!KEYS[@]}"; do
    now=${NOW[${KEYS[i]}]:--}
    if [[ $now != "${AFTER[i]}" ]]; then
      wrong=1
      complain "$2: NOT AS PLANNED: ${KEYS[i]} is at $now and should be at ${AFTER[i]}"
    fi
  done
  [[ $wrong == 0 ]]
}

# positions GROUP [LABEL] makes the positions of a group those of the rows on
# stdin, and reads them back.
positions() {
  local label=${2:-$1} code=0
  read_rows
  say "group $label:"
  try_positions "$1" "$label" || code=$?
  [[ $code != 3 ]] || say "  is as planned"
  outcome "$code" "group $label"
}

# try_delete GROUP LABEL: see delete_group.
try_delete() {
  local key code=0
  look "$1" "$2" || return 1
  if [[ $ABSENT == 1 ]]; then
    return 3
  fi
  compare "$2" || code=$?
  [[ $code != 1 ]] || return 1
  for key in "${!NOW[@]}"; do
    if [[ " ${KEYS[*]-} " != *" $key "* ]]; then
      complain "$2: has a position on $key now, and had none when this script was made: not deleted"
      return 1
    fi
  done
  show
  say "  the group is deleted"
  if [[ $DRY_RUN == 1 ]]; then
    return 0
  fi
  groups_tool --delete "--group=$1"
  local said=$OUT
  if ! look "$1" "$2" || [[ $ABSENT == 0 ]]; then
    OUT=$said
    printed
    complain "$2: NOT AS PLANNED: the group is still there"
    return 1
  fi
}

# delete_group GROUP [LABEL] deletes a group with the positions of the rows on
# stdin, unless it has others.
delete_group() {
  local label=${2:-$1} code=0
  read_rows
  say "group $label:"
  try_delete "$1" "$label" || code=$?
  [[ $code != 3 ]] || say "  is not there"
  outcome "$code" "group $label"
}
