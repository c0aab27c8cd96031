#!/usr/bin/env bash
# Goal: every verb does what the command line's contract says when no daemon
# runs: ids, positions, JSON, exit codes, error names; and text that people wrote
# never reaches a terminal as anything but text.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

hark() { "$HARK" -C "$work/brand" "$@"; }
size() { hark status --json | field 'd["spaces"][0]["size"]'; }
# empty WHAT TEXT
empty() {
    [ -z "$2" ] || fail "$1: $2"
    echo "ok: $1"
}
# all_hold WHAT EXPRESSION: the same over JSON Lines, as the list d
all_hold() {
    python3 -ISc 'import json, sys
d = [json.loads(l) for l in sys.stdin]
sys.exit(0 if eval("(" + sys.argv[1] + ")") else json.dumps(d))' "$2" || fail "$1"
    echo "ok: $1"
}
# lines EXPRESSION: over the JSON Lines on standard input, as the list d
lines() {
    python3 -ISc 'import json, sys; d = [json.loads(l) for l in sys.stdin]; print(eval(sys.argv[1]))' "$1"
}

# --- init -----------------------------------------------------------------------
refused usage 2 "$HARK" init
refused usage 2 "$HARK" init "$work/brand"
refused usage 2 "$HARK" init "$work/brand" --name "Not A Name"
refused usage 2 "$HARK" init "$work/brand" --name brand --objective "Which lamp?"
refused usage 2 "$HARK" init "$work/brand" --name brand --objective "Which lamp?" --owner Ada \
    --until 2001-01-01
refused config 2 "$HARK" init "$work/brand" --name brand --listen nowhere
[ ! -e "$work/brand" ] || fail "a refused init left something behind"
refused usage 2 "$HARK" -C "$work" status
(cd "$work" && "$HARK" init brand --name brand --objective "Which lamp?" --owner "Ada Brandt" \
    --until 2030-01-01 --title "Lamps" --listen tcp://127.0.0.1:7460 --json) >"$work/init"
space=$(field 'd["space"]' <"$work/init")
same "the founded space" "$space" "$(hark status --json | field 'd["spaces"][0]["id"]')"
same "its key files' mode" 600 "$(stat -c %a "$work/brand/keys/people/owner")"
refused exists 2 "$HARK" init "$work/brand" --name other
"$HARK" init "$work/partner" --name partner --listen tcp://127.0.0.1:7461 -q >/dev/null
echo "a long passphrase" >"$work/passphrase"
chmod 644 "$work/passphrase"
refused key-permission 2 "$HARK" init "$work/sealed" --name sealed --passphrase-file "$work/passphrase"
chmod 600 "$work/passphrase"
"$HARK" init "$work/sealed" --name sealed --passphrase-file "$work/passphrase" -q >/dev/null
"$HARK" -C "$work/sealed" status >/dev/null
"$HARK" init "$work/other" --name other --objective Q --owner O --until 2030-01-01 -q >/dev/null
case "$(head -n 1 "$work/sealed/keys/device")" in
"hark-sealed-key 1") echo "ok: a passphrase seals the device's key" ;;
*) fail "the device's key is not sealed" ;;
esac

# --- status, help, version -----------------------------------------------------------
hark status --json | holds "status" 'd["format"] == "hark/status/1" and
    d["node"]["name"] == "brand" and d["node"]["pid"] is None and
    d["spaces"][0]["role"] == "home" and d["spaces"][0]["mode"] == "open" and
    d["spaces"][0]["title"] == "Lamps" and d["spaces"][0]["members"] == 1 and
    d["spaces"][0]["size"] == 3 and len(d["spaces"][0]["state_hash"]) == 64 and
    d["outbox"] == {"pending": 0, "accepted": 0, "refused": 0} and d["disk"]["free"] > 0 and
    d["peers"] == [] and d["alerts"] == []'
contains "status for people" "$(hark status)" "Lamps"
contains "version" "$("$HARK" version)" "hark "
contains "help" "$("$HARK" help)" "tally"
contains "help tally" "$("$HARK" help tally)" "--where K=V"
"$HARK" help --json | holds "help as JSON" 'any(v["name"] == "vote" for v in d["verbs"])'
refused usage 2 "$HARK" pray
refused usage 2 "$HARK" help pray
for verb in poll report waiting inbox watch; do
    refused unsupported 2 "$HARK" $verb
done
said=$("$HARK" poll --json 2>&1) && fail "poll was done"
holds "an error as JSON" 'd["error"]["name"] == "unsupported" and d["error"]["message"] and
    "hint" in d["error"]' <<<"$said"
refused usage 2 hark status --loud
refused usage 2 hark status -x
refused usage 2 hark log --limit
refused not-found 1 hark -s 00000000 status

# --- invite, join -----------------------------------------------------------------------
invitation=$(hark invite --uses 2 --cohort owner=no --cohort market=de --source mail -q)
contains "a ticket" "$invitation" hark1
empty "a ticket is not stored" "$(grep -rlaF "$invitation" "$work/brand" || true)"
hark invite --json --role staff --until 2029-01-01 >"$work/staff"
same "uses by default" 1 "$(field 'd["uses"]' <"$work/staff")"
staff=$(field 'd["ticket"]' <"$work/staff")
short_until=$(($(date -u +%s) + 8)) # by then the machine has given it out, however busy
short=$(hark invite -q --until "$(date -u -d "@$short_until" +%Y-%m-%dT%H:%M:%S.000Z)")
same "tickets" "2 0 member mail" \
    "$(hark invite ls --json | lines '"%d %d %s %s" % (d[0]["uses"], d[0]["used"], d[0]["role"], d[0]["source"])')"
hark join "$invitation" --name Mara --json >"$work/mara" 2>"$work/terms"
same "Mara's number" 1 "$(field 'd["member"]' <"$work/mara")"
same "Mara's label" Mara "$(field 'd["label"]' <"$work/mara")"
for word in Lamps "Which lamp?" "Ada Brandt" 2030-01-01 brand "Votes are visible" Erasable; do
    grep -qF "$word" "$work/terms" || fail "the terms do not say $word: $(cat "$work/terms")"
done
echo "ok: the terms are shown"
echo '{"about": "I sell lamps."}' >"$work/answers"
hark join "$invitation" --name "Jörg
<b>" --json >/dev/null 2>&1 && fail "a name of two lines was taken"
same "keys after a refused join" 2 "$(find "$work/brand/keys/people" -type f | wc -l)"
hark join "https://brand.example/#$invitation" --name "Jörg <b>" --answers "$work/answers" -q \
    >/dev/null 2>"$work/quiet"
[ ! -s "$work/quiet" ] || fail "-q showed the terms"
refused ticket-used 3 hark join "$invitation" --name Late
other_letter=A
if [ "${invitation:20:1}" = A ]; then other_letter=B; fi
refused ticket-checksum 3 hark join "${invitation:0:20}$other_letter${invitation:21}" --name Late
refused ticket-form 3 hark join nonsense --name Late
refused ticket-kind 3 hark join "$(hark ticket)" --name Late
refused usage 2 hark join "$staff"
echo '{"shoe": 43}' >"$work/wrong"
refused usage 2 hark join "$staff" --name Late --answers "$work/wrong"
hark join "$staff" --name Sam -q >/dev/null
doomed=$(hark invite --json | field 'd["ticket"]')
doomed_key=$(hark invite ls --json | lines 'd[-1]["ticket"]')
hark invite revoke "${doomed_key:0:12}" -q >/dev/null
refused ticket-revoked 3 hark join "$doomed" --name Late
refused void-target 3 hark invite revoke "$doomed_key"
refused ticket-unknown 3 hark invite revoke 0123456789
while [ "$(date -u +%s)" -le "$short_until" ]; do sleep 0.2; done
refused ticket-expired 3 hark join "$short" --name Late
refused usage 2 hark invite --until 2001-01-01
refused usage 2 hark invite --uses 0
refused usage 2 hark invite --role boss
refused usage 2 hark invite --cohort owner
refused payload-type 3 hark invite --cohort "Owner!=no"
refused void-role 3 hark invite --as Mara
same "the funnel" "2 2 2" \
    "$(hark invite funnel --json | field '"%d %d %d" % [(len(d["sources"]), s["uses"], s["used"]) for s in d["sources"] if s["source"] == "mail"][0]')"
contains "the funnel for people" "$(hark invite funnel)" "2 came"

# --- member, device, key --------------------------------------------------------------------
hark member ls --json >"$work/members"
same "members" "Ada Brandt,Mara,Jörg <b>,Sam" "$(lines '",".join(m["name"] for m in d)' <"$work/members")"
same "roles" "staff,member,member,staff" "$(lines '",".join(m["role"] for m in d)' <"$work/members")"
same "sources" "founder,invited,invited,invited" "$(lines '",".join(m["source"] for m in d)' <"$work/members")"
same "cohorts" "de no" "$(lines 'd[1]["cohorts"]["market"] + " " + d[1]["cohorts"]["owner"]' <"$work/members")"
mara_key=$(field 'd["key"]' <"$work/mara")
for who in 1 member:1 Mara "$mara_key" "${mara_key:0:8}"; do
    same "member show ${who:0:8}" 1 "$(hark member show "$who" --json | field 'd["member"]')"
done
refused not-found 1 hark member show 17
refused not-found 1 hark member show Nobody
refused not-found 1 hark member show member:x
hark member role Mara staff -q >/dev/null
refused void-target 3 hark member role Mara staff
same "Mara is staff" staff "$(hark member show 1 --json | field 'd["role"]')"
hark member role 1 member --as Sam -q >/dev/null
refused usage 2 hark member role 1 boss
refused void-role 3 hark member role 2 staff --as Mara
hark device add --as Mara --json >"$work/device"
same "the device's label" Mara-2 "$(field 'd["label"]' <"$work/device")"
device=$(field 'd["key"]' <"$work/device")
same "Mara's keys" 2 "$(hark member show 1 --json | field 'len(d["keys"])')"
refused exists 2 hark device add --as Mara --label owner
refused usage 2 hark device add --as Mara --label /etc/passwd
contains "key ls" "$(hark key ls)" "$device"
same "key ls as JSON" "Mara,Mara-2" "$(hark key ls --json | lines '",".join(sorted(k["label"] for k in d if k["member"] == 1))')"
refused key-passphrase 2 hark key passwd
refused usage 2 hark key

# --- talking ---------------------------------------------------------------------------------
before=$(size)
hark topic "Table lamps" "For reading." --json >"$work/topic"
holds "a new entry as JSON" 'd["format"] == "hark/entry/1" and d["position"] == '"$before"' and
    d["kind"] == "topic" and len(d["id"]) == 64 and d["space"] == "'"$space"'"' <"$work/topic"
topic=$(entry_id <"$work/topic")
idea=$(hark idea - --re "$topic" --title "Last" --as Mara -q <<<"A lamp that lasts")
same "an id alone with -q" 64 "${#idea}"
post=$(hark post "Mine broke." --re "${topic:0:8}" --re "$idea" -q)
reply=$(hark reply "Mine too." --re "$post" --as Mara-2 -q)
revision=$(hark revise "A lamp that lasts ten years" --re "$idea" --as Mara -q)
refused usage 2 hark post "about nothing"
refused usage 2 hark reply "about much" --re "$post" --re "$idea"
refused usage 2 hark revise "of nothing"
refused usage 2 hark topic
refused void-re-own 3 hark revise "not mine" --re "$idea"
refused void-re-kind 3 hark idea "about a post" --re "$post"
refused not-found 1 hark post "x" --re 0123456789abcdef
refused usage 2 hark post "x" --re 0123456
refused payload-range 3 hark post "" --re "$topic"
refused payload-range 3 hark post $'esc \e[2J' --re "$topic"
refused usage 2 hark post $'not \xff UTF-8' --re "$topic"
refused not-found 1 hark topic x --as Nobody
same "nothing of that was logged" $((before + 5)) "$(size)"

# --- votes --------------------------------------------------------------------------------------
hark vote "$idea" agree --as Mara -q 2>"$work/note" >/dev/null
[ ! -s "$work/note" ] || fail "-q showed the note"
hark vote "$idea" pass 2>"$work/note" >/dev/null
grep -q "visible to the other members" "$work/note" || fail "no note before the first vote"
vote=$(hark vote "$idea" disagree --why "too dear" --json 2>"$work/note" | entry_id)
[ ! -s "$work/note" ] || fail "the note came twice"
hark vote "$idea" agree --as Mara-2 -q >/dev/null
hark vote "$idea" agree --as "$(hark key ls --json | lines '[k["key"] for k in d if k["member"] == 2][0]')" -q >/dev/null
refused usage 2 hark vote "$idea" perhaps
refused usage 2 hark vote "$idea" agree pass
refused void-re-kind 3 hark vote "$topic" agree
hark tally "$idea" --by owner,market --json >"$work/tally"
holds "tally" 'd["format"] == "hark/tally/1" and d["space"] == "'"$space"'" and
    d["subject"] == "'"$idea"'" and d["at"]["size"] > 0 and len(d["at"]["root"]) == 64 and
    not d["at"]["settled"] and d["eligible"] == 4 and d["voters"] == 3 and
    d["counts"] == {"agree": 2, "disagree": 1, "pass": 0} and d["in_flight"] is None and
    d["by"] == ["owner", "market"] and len(d["groups"]) == 1 and
    d["groups"][0]["cohort"] == {"owner": "no", "market": "de"} and
    d["groups"][0]["counts"]["agree"] == 2 and d["groups"][0]["voters"] == 2' <"$work/tally"
same "the tally's root" "$(hark status --json | field 'd["spaces"][0]["root"]')" "$(field 'd["at"]["root"]' <"$work/tally")"
same "a tally where" 2 "$(hark tally "$idea" --where market=de --json | field 'd["voters"]')"
same "a tally where nobody is" 0 "$(hark tally "$idea" --where market=fr --json | field 'd["voters"]')"
first=$(hark log --kind vote --json | lines 'd[0]["position"]')
same "a tally at a size" "1 0 0" \
    "$(hark tally "$idea" --at $((first + 1)) --json | field '"%(agree)d %(disagree)d %(pass)d" % d["counts"]')"
refused behind 4 hark tally "$idea" --at 100000
refused not-found 1 hark tally "$idea" --at 1
refused usage 2 hark tally "$topic"
contains "a tally for people" "$(hark tally "$idea" --by owner)" "owner=no  agree 2"
hark idea "A cheap lamp" -q >/dev/null
same "top" "$idea" "$(hark top --json | lines 'd[0]["id"]')"
same "top --limit" 1 "$(hark top --limit 1 --json | lines 'len(d)')"
refused unsupported 2 hark top --by rising

# --- staff ------------------------------------------------------------------------------------------
response=$(hark respond "$idea" "We hear you." -q)
decision=$(hark decide "$idea" "$topic" "We will build it." --outcome accepted --json | entry_id)
hark decide "$idea" --outcome planned --reason "In autumn." -q >/dev/null
action=$(hark act "$idea" "Drawing it." --state doing --due 2029-05-01 -q)
thanks=$(hark recognize "$idea" "Mara saw it first." --credit Mara -q)
hark recognize "$idea" "again" --credit "$idea" -q >/dev/null
same "credited by entry" "1 1" "$(hark log --kind recognition --json | lines '"%d %d" % (d[0]["payload"]["member"], d[1]["payload"]["member"])')"
refused usage 2 hark decide "$idea" "No."
refused payload-range 3 hark decide "$idea" "No." --outcome perhaps
refused payload-range 3 hark decide "$idea" "" --outcome declined
refused usage 2 hark decide "$idea" "both" --outcome declined --reason "and this"
refused usage 2 hark respond "$idea"
refused void-role 3 hark respond "$idea" "I am not staff" --as Mara
refused payload-type 3 hark act "$idea" "x" --due tomorrow

# --- reading ---------------------------------------------------------------------------------------
hark log --json >"$work/log"
all_hold "log" '[e["position"] for e in d] == list(range(len(d))) and
    all(e["format"] == "hark/log/1" and len(e["id"]) == 64 and len(e["commit"]) == 40 and
        e["void"] is None and set(e["author"]) >= {"key", "member", "name"} and
        e["payload_state"] in (None, "present") for e in d) and
    d[0]["kind"] == "space" and d[0]["author"]["member"] is None and
    "salt" not in d[0]["payload"] and d[2]["author"]["name"] == "Ada Brandt"' <"$work/log"
same "log's size" "$(size)" "$(wc -l <"$work/log")"
same "log --limit --after" "5 6" "$(hark log --after 4 --limit 2 --json | lines '"%d %d" % (d[0]["position"], d[1]["position"])')"
same "log --kind" "post,idea" "$(hark log --kind idea,post --json --limit 3 | lines '",".join(sorted({e["kind"] for e in d}, reverse=True))')"
same "log --author" "1" "$(hark log --author Mara --json | lines '"".join(sorted({str(e["author"]["member"]) for e in d}))')"
same "log --author of a member's key" 1 "$(hark log --author "$device" --json | lines '",".join({str(e["author"]["member"]) for e in d})')"
steward=$(hark log --limit 1 --json | field 'd["author"]["key"]')
same "log --author of the steward's key" "steward" "$(hark log --author "$steward" --json | lines '",".join({e["author"]["of"] for e in d})')"
same "log --since" 0 "$(hark log --since 2029-01-01 --json | wc -l)"
same "log --until" 0 "$(hark log --until 2001-01-01 --json | wc -l)"
same "log --at" 3 "$(hark log --at 3 --json | wc -l)"
contains "log for people" "$(hark log)" "Table lamps"
refused usage 2 hark log --since soon
hark show "${idea:0:8}" --json >"$work/show"
holds "show" 'd["format"] == "hark/show/1" and d["entry"]["id"] == "'"$idea"'" and
    d["about"][0]["id"] == "'"$topic"'" and [r["id"] for r in d["replies"]] == ["'"$post"'"] and
    [r["id"] for r in d["revisions"]] == ["'"$revision"'"] and
    d["responses"][0]["id"] == "'"$response"'" and d["decisions"][0]["id"] == "'"$decision"'" and
    d["actions"][0]["id"] == "'"$action"'" and d["recognitions"][0]["id"] == "'"$thanks"'" and
    d["tally"]["counts"]["agree"] == 2 and d["hidden"] == [] and d["erased"] == []' <"$work/show"
contains "show for people" "$(hark show "$idea")" "agree 2  disagree 1  pass 0"
same "the thread of a reply" "$post,$topic,$idea" "$(hark show "$reply" --json | field '",".join(e["id"] for e in d["about"][:3])')"
refused not-found 1 hark show 0123456789
same "history" "$idea,$revision" "$(hark history "$revision" --json | field '",".join(e["id"] for e in d["wordings"])')"
contains "history for people" "$(hark history "$idea")" "ten years"
same "search" "$post" "$(hark search broke --json | lines 'd[0]["id"]')"
empty "search for what is not there" "$(hark search zebra)"
contains "who-said" "$(hark who-said "ten years")" "Mara"

# --- text that people wrote ----------------------------------------------------------------------------
evil=$(hark post $'a\xe2\x80\xaeb\xe2\x80\x8b' --re "$topic" -q)
contains "a direction mark is shown" "$(hark show "$evil")" 'a<U+202E>b<U+200B>'
if hark show "$evil" --json | grep -q $'\xe2\x80\xae'; then fail "a direction mark came through as JSON"; fi
same "and is still there for who parses" 3 "$(hark show "$evil" --json | field 'len(d["entry"]["payload"]["body"]) - 1')"

# --- hide, erase ------------------------------------------------------------------------------------------
refused usage 2 hark hide "$post"
refused void-role 3 hark hide "$post" --reason r --as Mara
hide=$(hark hide "$post" --reason "off topic" --json | entry_id)
contains "hidden entries are found as hidden" "$(hark search broke)" "(hidden by entry"
if hark search broke | grep -q "Mine broke"; then fail "a search shows what is hidden"; fi
contains "and with -v in words" "$(hark -v search broke)" "Mine broke"
same "the hiding" "$hide" "$(hark show "$post" --json | field 'd["hidden"][0]["id"]')"
same "hidden is told" True "$(hark log --kind post --json | lines 'd[0]["hidden"]')"
if hark show "$post" | grep -q "Mine broke"; then fail "what is hidden is shown"; fi
contains "unless asked for" "$(hark show "$post" -v)" "Mine broke"
refused void-re-own 3 hark erase "$evil" --as Mara
refused usage 2 hark erase "$reply"
hark erase "$reply" --as Mara -q >/dev/null
hark erase "$vote" --json >/dev/null
same "an erased vote" "2 0 1" "$(hark tally "$idea" --json | field '"%d %d %d" % (d["voters"], d["counts"]["disagree"], d["erased"])')"
same "payload_state" "erased None" "$(hark show "$reply" --json | field 'd["entry"]["payload_state"] + " " + str(d["entry"]["payload"])')"
grep -raq "Mine too" "$work/brand" && fail "erased words are still there"
hark erase member:2 --reason "asked for" -q >/dev/null
same "an erased member's name" None "$(hark member show 2 --json | field 'd["name"]')"
contains "is a number then" "$(hark log --kind admit,profile)" "member 2"
hark erase "$revision" --ground "asked for" --json >/dev/null

# --- leaving ---------------------------------------------------------------------------------------------------
hark device rm "$device" --as Mara -q >/dev/null
refused void-member 3 hark topic x --as Mara-2
refused void-role 3 hark device rm "$(hark member show 0 --json | field 'd["keys"][0]["key"]')" --as Mara
hark member remove Sam --reason asked -q >/dev/null
refused void-member 3 hark topic x --as Sam
refused void-target 3 hark member remove 3
refused payload-range 3 hark member remove 1 --reason "because"
same "a removed member" removed "$(hark member show 3 --json | field 'd["status"]')"

# --- verify -----------------------------------------------------------------------------------------------------
hark verify --json | holds "verify" 'd["holds"] and d["void"] == 0 and d["erased"] > 0 and
    d["entries"] == '"$(size)"''
repo=$work/brand/spaces/$space.git
commit=$(hark show "$topic" --json | field 'd["entry"]["commit"]')
git -C "$repo" cat-file commit "$commit" >"$work/entry"
same "the id is the object's SHA-256" "$topic" "$(sha256sum <"$work/entry" | cut -d' ' -f1)"
contains "an entry" "$(hark verify "$work/entry")" "stands"
same "an entry as JSON" "$topic" "$(hark verify "$work/entry" --json | field 'd["id"]')"
sed 's/^Seq: .*/Seq: 99/' "$work/entry" >"$work/altered"
refused entry-mismatch 3 hark verify "$work/altered"
other=$("$HARK" -C "$work/other" log --json | lines 'd[-1]["commit"]')
git -C "$work"/other/spaces/*.git cat-file commit "$other" >"$work/foreign"
refused "(no)" 1 hark verify "$work/foreign"
git -C "$repo" cat-file blob main:checkpoint >"$work/checkpoint"
contains "a checkpoint" "$(hark verify - <"$work/checkpoint")" "begins with just these entries"
git -C "$work"/other/spaces/*.git cat-file blob main:checkpoint >"$work/foreign"
refused "(no)" 1 hark verify "$work/foreign"
sed '2s/.*/1/' "$work/checkpoint" >"$work/altered"
refused "(no)" 1 hark verify "$work/altered"
hark ticket -q >"$work/ticket"
contains "a node's ticket" "$(hark verify "$work/ticket")" "node brand"
echo "$staff" >"$work/ticket"
contains "an invitation" "$(hark verify "$work/ticket")" "1 of 1 used"
refused not-found 1 hark verify "$work/nothing"
echo nonsense >"$work/altered"
refused note-form 3 hark verify "$work/altered"

# --- partners -----------------------------------------------------------------------------------------------------
partner() { "$HARK" -C "$work/partner" "$@"; }
refused ticket-kind 3 hark partner add "$staff"
refused usage 2 hark partner add "$(hark ticket)"
hark partner add "$(partner ticket)" --json >"$work/added"
same "named" "$space" "$(field 'd["named_in"]' <"$work/added")"
[ "$(field 'd["entry"]' <"$work/added")" != None ] || fail "no entry names the partner"
same "adding again adds nothing" None "$(hark partner add "$(partner ticket)" --json | field 'd["entry"]')"
partner partner add "$(hark ticket)" --json >"$work/added"
same "followed" "$space None" "$(field 'd["follows"][0] + " " + str(d["named_in"])' <"$work/added")"
same "partner ls" "partner $space" "$(hark partner ls --json | lines 'd[0]["name"] + " " + d[0]["named_in"][0]')"
contains "partner ls for people" "$(partner partner ls)" "follows 1"
same "peers in status" "brand None $space" "$(partner status --json | field 'd["peers"][0]["name"] + " " + str(d["peers"][0]["state"]) + " " + d["peers"][0]["spaces"][0]["id"]')"
hark partner pause partner -q
same "paused" True "$(hark partner ls --json | lines 'd[0]["paused"]')"
same "paused in status" paused "$(hark status --json | field 'd["peers"][0]["state"]')"
hark partner pause partner --resume -q
same "resumed" False "$(hark partner ls --json | lines 'd[0]["paused"]')"
ticket=$(hark invite -q)
contains "who else has it is told" "$(hark join "$ticket" --name Eve 2>&1 >/dev/null)" "brand, partner"
contains "what a removed partner keeps" "$(hark partner rm partner)" "keeps what it has copied"
empty "no partner is left" "$(hark partner ls)"
same "and it is ended in the log" "add,remove" "$(hark log --kind node --json | lines '",".join(e["payload"]["action"] for e in d)')"
refused not-found 1 hark partner rm partner
refused not-found 1 hark partner pause partner
hark ticket --json | holds "ticket" 'd["spaces"] == ["'"$space"'"] and
    d["addresses"] == ["tcp://127.0.0.1:7460"]'
same "a ticket of no space" 0 "$(partner ticket --json | field 'len(d["spaces"])')"

# --- policy ---------------------------------------------------------------------------------
hark policy show --json | holds "policy show" 'd["format"] == "hark/policy/1" and
    d["merge_delay_s"] == 86400 and d["quorum"] == 0 and d["accept_per_minute"] == 120 and
    d["groups"] == "members" and d["title"] == "Lamps" and d["position"] == 0 and
    d["objective"] == {"question": "Which lamp?", "owner": "Ada Brandt", "until": "2030-01-01"}'
hark policy show >"$work/policy.yaml"
sed -i 's/^merge_delay_s: .*/merge_delay_s: 90/; s/^title: .*/title: "Lamps: all of them"/' "$work/policy.yaml"
(cd "$work" && "$HARK" -C brand policy set policy.yaml -q >/dev/null)
echo '{"quorum": 2}' | hark policy set - --json | holds "policy set" 'd["kind"] == "policy"'
hark policy --json | holds "what a file does not name stays" 'd["merge_delay_s"] == 90 and
    d["quorum"] == 2 and d["title"] == "Lamps: all of them" and d["position"] == '$(($(size) - 1))
contains "policy show for people" "$(hark policy show)" 'title: "Lamps: all of them"'
for wrong in 'merge_delay: 90' 'quorum: two' 'quorum: [1]' 'title: [a]' 'objective: none' \
    'objective: {owner: [a]}' '{}' 'quorum: 1: 2'; do
    echo "$wrong" >"$work/policy.yaml"
    refused usage 2 hark policy set "$work/policy.yaml"
done
for wrong in 'merge_delay_s: 59' 'quorum: 65' 'groups: all' 'objective: {owner: Ada}' 'title: ""'; do
    echo "$wrong" >"$work/policy.yaml"
    refused payload- 3 hark policy set "$work/policy.yaml"
done
echo 'quorum: 0' >"$work/policy.yaml"
hark policy set "$work/policy.yaml" -q >/dev/null
refused void-role 3 hark policy set "$work/policy.yaml" --as Mara
refused not-found 1 hark policy set "$work/nothing"
refused usage 2 hark policy set
refused usage 2 hark policy forget

# --- export --------------------------------------------------------------------------------------------------------
hark export allowed-signers >"$work/signers"
hark export mailmap >"$work/mailmap"
same "keys" "$(wc -l <"$work/signers")" "$(wc -l <"$work/mailmap")"
contains "a name for git" "$(cat "$work/mailmap")" "Mara <$mara_key@hark.invalid>"
unsigned=$(git -C "$repo" -c gpg.ssh.allowedSignersFile="$work/signers" log --format=%G? main | grep -vcx G || true)
same "commits that stock git does not call Good" 0 "$unsigned"
contains "git shows names" "$(git -C "$repo" -c mailmap.file="$work/mailmap" log --use-mailmap --format=%aN main)" "Ada Brandt"
refused unsupported 2 hark export bundle
refused usage 2 hark export

# --- the house ---------------------------------------------------------------------------------------------------------
state() { hark status --json | field 'd["spaces"][0]["state_hash"]'; }
before=$(state)
hark reindex -q
same "the state after reindex" "$before" "$(state)"
hark gc --json | holds "gc" 'd["done"] == "collected"'
sound "$repo" --no-dangling
same "the state after gc" "$before" "$(state)"
same "the outbox" "[]" "$(hark outbox --json | field 'd["entries"]')"
hark verify -q
echo "ok: every verb"
