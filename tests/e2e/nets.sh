# shellcheck shell=bash
# Nodes in network namespaces of their own, on wires that delay, lose and are cut.
# Sourced instead of lib.sh, after `set -euo pipefail`:
#
#   nets_open NODE...        a namespace for each node (and, first of all, the script
#                            anew in namespaces of its own: see below)
#   at NODE COMMAND...       runs it in the node's namespace
#   address NODE             its address, 10.77.0.x
#   start_at NODE            harkd over $work/NODE in its namespace; pid_of[NODE]
#   kill_at NODE             kill -9, and waits for the end
#   link_delay NODE MS       what the node sends takes so much longer
#   link_loss NODE PERCENT   so much of what it sends is lost
#   link_cut NODE, link_heal NODE
#   part A B, join_again A B nothing goes between these two, whoever else they reach
#   link_stats               what the wires did, a line of JSON for each node
#   round_trip FROM TO       milliseconds from one node to another and back, measured
#
# Nothing here touches the machine's own network: the script runs in network, mount
# and process namespaces of its own, and with the first process in there all others
# end and the namespaces go, whatever it was ended by. Needs root or user namespaces;
# where neither is permitted the script skips.
#
# Wires are the kernel's netem where it has it; else tests/support/wire.c, which is a
# switch of our own. HARK_NETS=netem or HARK_NETS=wire chooses.

if [ -z "${HARK_NETS_INSIDE-}" ]; then
    # Asks the script to end, so that it cleans up; insists after two seconds.
    # shellcheck disable=SC2317 # a trap calls it
    nets_end() {
        local i inner=
        inner=$(cat "/proc/$1/task/$1/children" 2>/dev/null) || true
        # shellcheck disable=SC2086 # one number, or none
        [ -z "$inner" ] || kill $inner 2>/dev/null || true
        for ((i = 0; i < 20; i++)); do
            kill -0 "$1" 2>/dev/null || return 0
            sleep 0.1
        done
        kill -9 "$1" 2>/dev/null || true
    }
    nets_outside() {
        local flags=(--net --mount --pid --fork --kill-child --mount-proc) tool child code=0
        for tool in unshare setpriv ip tc python3; do
            command -v "$tool" >/dev/null || {
                echo "skipped: $tool is not installed"
                exit 77
            }
        done
        [ "$(id -u)" = 0 ] || flags+=(--user --map-root-user)
        unshare "${flags[@]}" true 2>/dev/null || {
            echo "skipped: this user may not make network namespaces here"
            exit 77
        }
        HARK_E2E_WORK=$(mktemp -d /tmp/hark-e2e.XXXXXX)
        export HARK_E2E_WORK
        # When this shell dies, however it does, unshare does, and with it all the rest.
        HARK_NETS_INSIDE=1 setpriv --pdeathsig KILL unshare "${flags[@]}" -- bash "$0" "$@" &
        child=$!
        trap 'nets_end "$child"; rm -rf "$HARK_E2E_WORK"; exit 143' TERM INT
        wait "$child" || code=$?
        rm -rf "$HARK_E2E_WORK"
        exit "$code"
    }
    nets_outside "$@"
fi

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
trap 'exit 143' TERM
wire=${HARK_WIRE:-${HARK_BUILD_DIR:?}/tests/support/wire}
declare -A pid_of=() address_of=()
nets_kind=

at() {
    local node=$1
    shift
    nsenter --net="/run/netns/$node" -- "$@"
}

address() { echo "${address_of[$1]}"; }

nets_choose() {
    nets_kind=${HARK_NETS-}
    if [ -z "$nets_kind" ]; then
        # Tried, not guessed: a kernel may know its name and not have it.
        if ip link add hark0 type dummy 2>/dev/null &&
            tc qdisc add dev hark0 root netem delay 1ms 2>/dev/null; then
            nets_kind=netem
        else
            nets_kind=wire
        fi
        ip link del hark0 2>/dev/null || true
    fi
    [ "$nets_kind" = netem ] || [ -c /dev/net/tun ] ||
        skip "this kernel has neither netem nor /dev/net/tun"
}

# One more namespace holds the bridge; the far ends of the wires lie in it.
nets_bridge() {
    local node
    ip netns add bridge
    ip -n bridge link add br0 type bridge
    ip -n bridge link set br0 up
    for node in "$@"; do
        ip -n "$node" link add net0 type veth peer name "to-$node" netns bridge
        ip -n bridge link set "to-$node" master br0 up
    done
}

nets_wire() {
    local ports=() node i
    for node in "$@"; do ports+=("$node=/run/netns/$node"); done
    "$wire" serve "$work/wire.sock" "${ports[@]}" >"$work/wire.ready" 2>"$work/wire.log" &
    daemons+=($!)
    for ((i = 0; i < 200; i++)); do
        [ ! -s "$work/wire.ready" ] || return 0
        kill -0 "${daemons[-1]}" 2>/dev/null || break
        sleep 0.05
    done
    skip "the switch cannot be made here: $(cat "$work/wire.log")"
}

nets_open() {
    local node number=1
    # /run/netns of this mount namespace alone.
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir /run/netns
    nets_choose
    for node in "$@"; do
        ip netns add "$node"
        ip netns exec "$node" sysctl -qw net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true
    done
    if [ "$nets_kind" = netem ]; then nets_bridge "$@"; else nets_wire "$@"; fi
    for node in "$@"; do
        address_of[$node]=10.77.0.$number
        number=$((number + 1))
        ip -n "$node" link set lo up
        ip -n "$node" address add "${address_of[$node]}/24" dev net0
        ip -n "$node" link set net0 up
    done
    echo "ok: $# nodes in network namespaces, joined by ${nets_kind}"
}

# --- wires -----------------------------------------------------------------------

declare -A nets_delay=() nets_loss=()
tell_wire() { "$wire" tell "$work/wire.sock" "$@" >/dev/null; }
shape_netem() {
    at "$1" tc qdisc replace dev net0 root netem limit 1024 delay "${nets_delay[$1]:-0}ms" \
        loss "${nets_loss[$1]:-0}%"
}
link_delay() {
    nets_delay[$1]=$2
    if [ "$nets_kind" = netem ]; then shape_netem "$1"; else tell_wire delay "$1" "$2"; fi
}
link_loss() {
    nets_loss[$1]=$2
    if [ "$nets_kind" = netem ]; then shape_netem "$1"; else tell_wire loss "$1" "$2"; fi
}
# A port of the bridge that is disabled forwards nothing either way, and neither side
# is told: a cut line somewhere on the way, not an unplugged one.
link_cut() {
    if [ "$nets_kind" = netem ]; then
        bridge -n bridge link set dev "to-$1" state 0
    else
        tell_wire cut "$1"
    fi
}
link_heal() {
    if [ "$nets_kind" = netem ]; then
        bridge -n bridge link set dev "to-$1" state 3
    else
        tell_wire heal "$1"
    fi
}
part() {
    ip -n "$1" route add blackhole "$(address "$2")/32"
    ip -n "$2" route add blackhole "$(address "$1")/32"
}
join_again() {
    ip -n "$1" route del blackhole "$(address "$2")/32"
    ip -n "$2" route del blackhole "$(address "$1")/32"
}
link_stats() {
    local node
    if [ "$nets_kind" = wire ]; then
        "$wire" tell "$work/wire.sock" stats
        return
    fi
    for node in "${!address_of[@]}"; do
        at "$node" tc -s -j qdisc show dev net0 | python3 -c '
import json, sys
for q in json.load(sys.stdin):
    if q["kind"] == "netem":
        print(json.dumps({"port": sys.argv[1], "sent": q["packets"] + q["drops"],
                          "lost": q["drops"]}))' "$node"
    done
}

# A connection to a port where nobody listens is refused after one round trip; a lost
# frame is sent again after a second: so the least of a few.
round_trip() {
    at "$1" python3 - "$(address "$2")" <<'PY'
import socket, sys, time
best = None
for _ in range(5):
    s = socket.socket()
    s.settimeout(2)
    began = time.monotonic()
    try:
        s.connect((sys.argv[1], 9))
    except ConnectionRefusedError:
        took = (time.monotonic() - began) * 1000
        best = took if best is None or took < best else best
    except OSError:
        pass
    s.close()
print('none' if best is None else round(best))
PY
}

# --- nodes -----------------------------------------------------------------------

start_at() {
    local node=$1 i
    rm -f "$work/$node/sock"
    # Not by way of `at`: the process to be killed is harkd, not a shell around it.
    nsenter --net="/run/netns/$node" -- "$HARKD" -d -C "$work/$node" 2>>"$work/$node.log" &
    pid_of[$node]=$!
    daemons+=($!)
    for ((i = 0; i < 200; i++)); do
        [ ! -S "$work/$node/sock" ] || return 0
        kill -0 "${pid_of[$node]}" 2>/dev/null ||
            fail "$node's daemon ended: $(cat "$work/$node.log")"
        sleep 0.05
    done
    fail "$node's daemon did not start"
}

kill_at() {
    kill -9 "${pid_of[$1]}"
    wait "${pid_of[$1]}" 2>/dev/null || true
}
