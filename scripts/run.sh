#!/usr/bin/env bash
# Shows the product do its main job on this machine:
#
#   scripts/run.sh run    start everything, run a pipeline, go on until Ctrl-C
#   scripts/run.sh demo   the same, but stop after the result; exit 0 only if
#                         the run completed and its output is right
#
# State is kept under .run/, so that a second run finds it again. Settings:
# INPUT=path.pdf (or a URL), PORT (3000), DASHBOARD_PORT (4599).
#
# Written for bash 3.2, which is what macOS has.
set -u
umask 077
cd "$(dirname "$0")/.."

mode=${1:-run}
port=${PORT:-3000}
dashboard_port=${DASHBOARD_PORT:-4599}
root=$PWD
bin=$root/bin
state=$root/.run
sample=$root/examples/pdf-processor/testdata/sample.pdf
input=${INPUT:-$sample}
url=http://127.0.0.1:$port

export PIPEWEAVE_HOME=$state/pipeweave
export PIPEDAI_HOME=$state/host
export PIPEWEAVE_ORCHESTRATOR_URL=$url
unset PIPEWEAVE_API_TOKEN PIPEDAI_OPERATOR_TOKEN

server_pid=""
daemon_pid=""
helper_pid="" # connect, trigger: whatever else of ours is under way
nap_pid=""
at_once=""

# --- words -------------------------------------------------------------------

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
else
  bold="" dim="" plain=""
fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
step() { printf '  %-15s %s\n' "$1" "$2"; }

fail() { # fail WHAT FIX [LOG]
  printf '\n%s\n  %s\n' "$1" "$2" >&2
  if [ -n "${3:-}" ] && [ -s "$3" ]; then
    printf '\nThe end of %s:\n' "${3#"$root"/}" >&2
    tail -n 15 "$3" | sed 's/^/  /' >&2
  fi
  exit 1
}

# --- processes ---------------------------------------------------------------

# started prints the pids of processes that run programs of this folder. None
# did when this script began, so each of them was started by it.
started() {
  local exe pid
  if [ -d /proc/self ]; then
    for exe in /proc/[0-9]*/exe; do
      case $(readlink "$exe" 2>/dev/null) in
        "$bin"/*) pid=${exe#/proc/} && echo "${pid%/exe}" ;;
      esac
    done
  else
    ps -axo pid=,command= | while read -r pid exe; do
      case $exe in "$bin"/*) echo "$pid" ;; esac
    done
  fi
}

alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# until_true SECONDS COMMAND...: try until it succeeds. Fails when time is up,
# or at once when a program it depends on has ended.
until_true() {
  local end=$((SECONDS + $1))
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    [ -z "$server_pid" ] || alive "$server_pid" || return 1
    [ -z "$daemon_pid" ] || alive "$daemon_pid" || return 1
    nap 0.1
  done
}

# nap SECONDS: sleep, but act upon a signal at once. The shell runs a trap only
# after the command in the foreground, and not surely when that command was hit
# by the same Ctrl-C; `wait` it leaves immediately.
nap() {
  sleep "$1" &
  nap_pid=$!
  wait "$nap_pid" 2>/dev/null
}

# launch NAME COMMAND...: start a program in a process group of its own, so
# that a Ctrl-C in the terminal reaches this script only, which then stops
# things in the right order. Its pid is in $launched.
launch() {
  local log=$state/$1.log
  shift
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  launched=$!
  set +m
}

# end PID SECONDS: ask the process group, wait, insist.
end() {
  local pid=$1 tries=$(($2 * 10))
  alive "$pid" || return 0
  kill -TERM -- "-$pid" 2>/dev/null
  while alive "$pid"; do
    tries=$((tries - 1))
    if [ "$tries" -le 0 ] || [ -n "$at_once" ]; then
      kill -KILL -- "-$pid" 2>/dev/null
      break
    fi
    nap 0.1
  done
  wait "$pid" 2>/dev/null
}

# The daemon goes first: it drains its workers, whose last reports the control
# plane must still hear. A second Ctrl-C waits for nothing any more; a closing
# terminal may send its signals twice, so those do not count.
stop_all() {
  trap '' HUP TERM PIPE # who reads our words may be gone before we are
  trap 'at_once=1' INT
  local left code=0
  if alive "$daemon_pid" || alive "$server_pid"; then
    printf '\n%sStopping: running tasks end first (Ctrl-C again: everything at once) ...%s\n' "$dim" "$plain"
  fi
  end "$helper_pid" 5
  end "$daemon_pid" 90
  end "$server_pid" 30
  trap '' INT
  left=$(started)
  if [ -n "$left" ] && [ -n "$at_once" ]; then
    # shellcheck disable=SC2086 # a list of pids
    kill -KILL $left 2>/dev/null
    printf 'Everything was ended at once; what was not finished is tried again next time.\n' >&2
    code=1
  elif [ -n "$left" ]; then
    printf 'These processes did not end and were killed: %s\n' "$(echo $left)" >&2
    # shellcheck disable=SC2086 # a list of pids
    kill -KILL $left 2>/dev/null
    code=1
  elif [ -n "$daemon_pid$server_pid" ]; then
    printf '%sEverything is stopped. State is kept in .run/%s\n' "$dim" "$plain"
  fi
  return $code
}

finish() {
  local code=$?
  trap - EXIT
  [ -z "$nap_pid" ] || kill "$nap_pid" 2>/dev/null
  stop_all || code=1
  exit "$code"
}

# --- steps -------------------------------------------------------------------

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

check() {
  local program running
  running=$(echo $(started))
  [ -z "$running" ] || fail "Programs of this folder run already (pid $running)." \
    "Stop them first: Ctrl-C in their terminal, or: kill $running"
  for program in pipeweave pipedai-orchestrator pipedai-worker pdf-processor; do
    [ -x "$bin/$program" ] || fail "bin/$program is missing." "Run: make build"
  done
  case $input in
    http://* | https://* | file://*) document=$input ;;
    *)
      [ -r "$input" ] || fail "There is no document $input." "Use one that exists: make $mode INPUT=path.pdf"
      document=file://$(cd "$(dirname "$input")" && pwd)/$(basename "$input")
      ;;
  esac
  ! port_is_taken "$port" ||
    fail "Port $port is in use by another program." "Use another one: make $mode PORT=$((port + 100))"
  ! port_is_taken "$dashboard_port" ||
    fail "Port $dashboard_port is in use by another program." "Use another one: make $mode DASHBOARD_PORT=$((dashboard_port + 100))"
  if [ -f "$state/port" ] && [ "$(cat "$state/port")" != "$port" ]; then
    fail "This host was paired with a control plane on port $(cat "$state/port"), not $port." \
      "Use PORT=$(cat "$state/port"), or forget the state: rm -r .run"
  fi
  (umask 077 && mkdir -p "$PIPEWEAVE_HOME" "$PIPEDAI_HOME") 2>/dev/null && [ -w "$state" ] ||
    fail "The state folder .run cannot be written." "Make it yours, or remove it: rm -r .run"
}

start_server() {
  launch pipeweave "$bin/pipeweave" serve --addr "127.0.0.1:$port"
  server_pid=$launched
  disown "$launched" # or bash reports its end in words of its own
  until_true 30 get "$url/health" ||
    fail "The control plane did not start." "What it said is below." "$state/pipeweave.log"
  step "control plane" "$url"
}

get() {
  node -e 'fetch(process.argv[1], { signal: AbortSignal.timeout(2000) })
    .then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))' "$1"
}

# pair_host enrols this host the way a person does: `connect` prints a code,
# and somebody who may do so approves it.
pair_host() {
  if [ -f "$state/port" ]; then
    step "this host" "paired before"
    return
  fi
  launch connect "$bin/pipedai-orchestrator" connect --api-url "$url" --label "$(hostname)" \
    --tasks "$bin/pdf-processor.yaml" --no-install --no-open
  helper_pid=$launched
  code=""
  until_true 30 read_code || fail "Pairing did not begin." "What connect said is below." "$state/connect.log"
  "$bin/pipeweave" enrollments approve "$code" >"$state/approve.log" 2>&1 ||
    fail "The code $code could not be approved." "What pipeweave said is below." "$state/approve.log"
  until_true 60 connect_has_ended || fail "Pairing did not end." "What connect said is below." "$state/connect.log"
  wait "$helper_pid" || fail "Pairing failed." "What connect said is below." "$state/connect.log"
  helper_pid=""
  echo "$port" >"$state/port"
  step "this host" "paired with code $code"
}

read_code() {
  code=$(grep -Eo '\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b' "$state/connect.log" | head -n1)
  [ -n "$code" ]
}

connect_has_ended() { ! alive "$helper_pid"; }

start_daemon() {
  since=$(node -e 'console.log(new Date().toISOString())')
  launch orchestrator "$bin/pipedai-orchestrator" start --port "$dashboard_port"
  daemon_pid=$launched
  disown "$launched"
  until_true 30 get "http://127.0.0.1:$dashboard_port/" ||
    fail "The host daemon did not start." "What it said is below." "$state/orchestrator.log"
  step "host daemon" "http://127.0.0.1:$dashboard_port"
  until_true 30 service_is_there ||
    fail "The worker did not register the service pdf-processor." \
      "What the worker said is below. To begin anew: rm -r .run" "$(worker_log)"
  step "worker" "offers pdf-processor"
}

# The worker's log, or the daemon's when no worker came to write one.
worker_log() {
  local log
  log=$(ls -t "$PIPEDAI_HOME"/logs/*.log 2>/dev/null | head -n1)
  echo "${log:-$state/orchestrator.log}"
}

# A service of an earlier run is known already; what counts is that its worker
# is alive now.
service_is_there() {
  node scripts/result.mjs ready "$url" pdf-processor "$since"
}

run_pipeline() {
  title "Running pdf-processor on ${document#file://"$root"/}"
  # Not in the foreground, where it would hold up a signal.
  set -m
  trigger </dev/null &
  helper_pid=$!
  set +m
  wait "$helper_pid"
  trigger_code=$?
  helper_pid=""
  run_id=$(grep -Eo 'prun_[0-9a-z]{16}' "$state/trigger.log" | head -n1)
  [ -n "$run_id" ] || fail "The pipeline was not triggered." "What pipeweave said is below." "$state/trigger.log"
  title "Result"
  node scripts/result.mjs show "$url" "$run_id" "$(expected)"
  result_code=$?
}

# trigger shows the progress, which comes on standard error. The result is read
# back from the control plane afterwards.
trigger() {
  "$bin/pipeweave" trigger pdf-processor --wait --timeout 5m \
    --input "{\"pdfUrl\":\"$(json_text "$document")\",\"extractTables\":true}" \
    2>&1 >/dev/null | tee "$state/trigger.log" | sed 's/^/  /'
  exit "${PIPESTATUS[0]}"
}

# Only the document in the repository has counts to compare with.
expected() {
  if [ "$input" = "$sample" ]; then echo "$root/examples/pdf-processor/testdata/expected.json"; fi
}

json_text() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }

print_next() {
  local dashboard
  dashboard=$("$bin/pipedai-orchestrator" dashboard 2>/dev/null | grep -Eo 'http://[^ ]+' | head -n1)
  title "Pages (each link signs you in)"
  step "Console" "$url/?token=$(cat "$PIPEWEAVE_HOME/admin.token")"
  step "Dashboard" "${dashboard:-run: bin/pipedai-orchestrator dashboard}"
  title "Try next, in another terminal"
  printf '  cd %q\n' "$root"
  printf '  export PIPEWEAVE_HOME=%q PIPEDAI_HOME=%q\n' "$PIPEWEAVE_HOME" "$PIPEDAI_HOME"
  printf '  bin/pipeweave status %s\n' "$run_id"
  printf '  bin/pipeweave runs\n'
  printf '  bin/pipedai-orchestrator status\n'
  printf '  curl -X POST %s/api/pipelines/pdf-processor/trigger -H "Content-Type: application/json" \\\n' "$url"
  printf "    -d '{\"pdfUrl\": \"%s\", \"extractTables\": false}'\n" "$document"
}

main() {
  check
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  trap 'exit 141' PIPE

  title "Starting"
  start_server
  pair_host
  start_daemon
  run_pipeline

  if [ "$mode" = demo ]; then
    [ "$trigger_code" = 0 ] && [ "$result_code" = 0 ] || exit 1
    exit 0
  fi
  print_next
  trap 'exit 0' INT
  title "Press Ctrl-C to stop."
  while alive "$server_pid"; do
    alive "$daemon_pid" || restart_daemon
    nap 1
  done
  fail "The control plane ended by itself." "What it said is below." "$state/pipeweave.log"
}

# restart_daemon does what a service manager would do. The workers did not
# notice that it was away.
restart_daemon() {
  printf '\nThe host daemon ended; starting it again ...\n'
  daemon_pid=""
  mv "$state/orchestrator.log" "$state/orchestrator.log.1"
  launch orchestrator "$bin/pipedai-orchestrator" start --port "$dashboard_port"
  daemon_pid=$launched
  disown "$launched"
  until_true 30 get "http://127.0.0.1:$dashboard_port/" ||
    fail "The host daemon did not start again." "What it said is below." "$state/orchestrator.log"
  "$bin/pipedai-orchestrator" status
}

case $mode in
  run | demo) main ;;
  *) echo "usage: scripts/run.sh run|demo" >&2 && exit 2 ;;
esac
