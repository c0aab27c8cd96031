#!/usr/bin/env bash
# Goal: a host that carries a private group and lies is found out by members' and partners'
# nodes, and named: it swaps envelopes on its disk, within a group and between two, or cuts
# them; it shows two histories of a log that it cannot read, for which a file convicts it
# before anybody, without any key of the group.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/$1" "${@:2}"; }
"$HARK" init "$work/hub" --name hub --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
"$HARK" init "$work/grey" --name grey --listen "tcp://127.0.0.1:$(free_port)" >/dev/null
"$HARK" init "$work/pat" --name pat --listen "tcp://127.0.0.1:$(free_port)" >/dev/null

# --- two groups, whose home is a host without keys ---------------------------------------------
found() { hark grey group new "$1" --purpose "Zwetschgendatschi" --name Grey -q 2>/dev/null; }
space=$(found Lamps)
other=$(found Bells)
start hub
start grey
size_at() { hark "$1" -s "$2" status --json | field "d['spaces'][0]['size']"; }
level() { [ "$(size_at "$1" "$3")" = "$(size_at "$2" "$3")" ]; }
home_at() { [ "$(hark "$1" -s "$2" home show --json | field 'd["home"]["name"]')" = hub ]; }
for group in "$space" "$other"; do
    hark grey -s "$group" partner add "$(hark hub ticket)" >/dev/null
    hark hub -s "$group" partner add "$(hark grey ticket)" >/dev/null
    [ "$group" = "$other" ] || hark grey -s "$group" partner add "$(hark pat ticket)" >/dev/null
    await 20 level grey hub "$group"
    hark grey -s "$group" home move hub >/dev/null 2>&1
    await 20 home_at grey "$group"
    await 20 home_at hub "$group"
done
ticket=$(hark grey -s "$space" invite -q 2>/dev/null)
hark mara join "$ticket" --name Mara -q >/dev/null 2>&1 || fail "Mara did not join"
topic=$(hark grey -s "$space" topic "Bratapfelduft" "Winter is coming" -q 2>/dev/null)
hark grey -s "$space" post "With cream" --re "$topic" -q >/dev/null 2>&1
hark grey -s "$other" topic "Bells for all" "Or horns" -q >/dev/null 2>&1
named() { hark hub -s "$space" log --kind node --json | grep -q pat; }
await 20 named
said() { [ "$(hark hub -s "$1" log --kind sealed --json | grep -c .)" -ge "$2" ]; }
await 20 said "$space" 5
await 20 said "$other" 2
for group in "$space" "$other"; do await 20 level grey hub "$group"; done
hark mara sync -q >/dev/null
stop hub
stop grey
cp -a "$work/hub" "$work/honest"

# --- envelopes that are others ---------------------------------------------------------------------
# swapped NAME: the host's payloads of the last two sealed entries changed places; or the last
# one is the other group's, or cut
swapped() {
    rm -rf "$work/hub"
    cp -a "$work/honest" "$work/hub"
    rm -f "$work/hub/place"
    python3 - "$1" "$work/hub/spaces/$space.git" "$work/hub/spaces/$other.git" <<'PY'
import os, subprocess, sys
how, repo, other = sys.argv[1:]
env = dict(os.environ, GIT_INDEX_FILE=repo + '/swap-index')
for who in ('AUTHOR', 'COMMITTER'):
    env.update({f'GIT_{who}_NAME': 'hark', f'GIT_{who}_EMAIL': 'hark@hark.invalid', f'GIT_{who}_DATE': '@0 +0000'})
def git(*args, at=repo, data=None, raw=False):
    out = subprocess.run(['git', '-C', at, *args], env=env, input=data, check=True, capture_output=True).stdout
    return out if raw else out.decode().strip()
REF = 'refs/heads/payloads/main'
def sealed(at):
    found = []
    for line in git('ls-tree', '-r', REF, at=at).splitlines():
        meta, path = line.split('\t')
        blob = git('cat-file', 'blob', meta.split()[2], at=at, raw=True)
        if blob[:1] == b'\x01' and len(blob) >= 589 and (len(blob) - 77) % 64 == 0:
            found.append((path, meta.split()[2], blob))
    return found
mine = sealed(repo)
last, before = mine[-1], mine[-2]
blobs = {'swapped': {last[0]: before[2], before[0]: last[2]},
         'other': {last[0]: sealed(other)[-1][2]},
         'cut': {last[0]: last[2][:-64]}}[how]
git('read-tree', REF)
for path, blob in blobs.items():
    git('update-index', '--cacheinfo', f'100644,{git("hash-object", "-w", "--stdin", data=blob)},{path}')
message = git('log', '-1', '--format=%B', REF)
git('update-ref', REF, git('commit-tree', git('write-tree'), '-m', message))
os.unlink(repo + '/swap-index')
PY
}
for how in swapped other cut; do
    swapped "$how"
    name=payload-hash
    [ "$how" != cut ] || name=payload-size
    refused "$name" 3 hark hub -s "$space" verify
    # Nobody signs where payloads stand: the copy is not to be used, whoever made it so.
    rm -rf "$work/empty"
    mkdir "$work/empty"
    code=0
    fresh audit "$work/hub/spaces/$space.git" --json >"$work/audit" || code=$?
    same "$how: the auditor's answer" 13 "$code"
    holds "$how: named by who has nothing but the copy" \
        "any(f['name'] == '$name' and f['log'] == 'payloads/main' for f in d['findings'])" <"$work/audit"
done

# --- two histories ------------------------------------------------------------------------------------
restored() {
    rm -rf "$work/hub"
    cp -a "$work/honest" "$work/hub"
    rm -f "$work/hub/place" # so it does not ask whether it is a copy
    start hub
}
restored
said=$(hark mara -s "$space" post "Streuselkuchen" --re "$topic" --json | entry_id)
hark mara sync -q >/dev/null 2>&1 || true
logged_at mara "$said" || fail "not logged"
stop hub
restored
start grey
hark grey -s "$space" post "All are content" --re "$topic" -q >/dev/null 2>&1
hark grey -s "$space" post "Really" --re "$topic" -q >/dev/null 2>&1
await 20 said "$space" 7
hark mara sync -q >/dev/null 2>&1 || true
hark mara status --json | holds "a member's node names host and offence" \
    'any(a["name"] == "fork" and "node hub" in a["message"] for a in d["alerts"])'
rm -rf "$work/empty"
mkdir "$work/empty"
cp "$work/mara/evidence/$space".*.evidence "$work/empty/fork"
key=$(hark hub status --json | field 'd["node"]["key"]')
fresh verify fork --json | holds "confirmed by the file alone, without any key of the group" \
    "d['holds'] and d['kind'] == 'fork' and d['convicts'] and d['key'] == '$key' and d['space'] == '$space'"
