/*
 * Evidence files (PROTOCOL.md 7.11) as people and scripts are told of them. Nothing but the
 * file is asked: no node, no space.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "node/cmd_internal.h"
#include "schemas/disclosure.h"
#include "schemas/evidence.h"

/* --- is it one? -------------------------------------------------------------------------- */

/* What is checked with nothing else at hand. */
static bool needs_no_node(struct hark_span file)
{
    return hark_evidence_is(file) || hark_disclosure_is(file);
}

/* A pipe is read once only, by who reads all of it. */
static bool file_is(const char *path)
{
    char head[sizeof(HARK_DISCLOSURE_HEAD)] = {0};
    struct stat st;
    size_t size = 0;
    FILE *file = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "re") : NULL;

    if (file == NULL)
        return false;
    size = fread(head, 1, sizeof(head) - 1, file);
    (void)fclose(file);
    return needs_no_node(hark_span(head, size));
}

/* A policy comes with a file that is judged by it alone. */
static bool asks_by_policy(const struct hark_cmd *cmd)
{
    for (int i = 1; i < cmd->argc && strcmp(cmd->argv[i], "--") != 0; i++) {
        if (strcmp(cmd->argv[i], "--policy") == 0 || strncmp(cmd->argv[i], "--policy=", 9) == 0)
            return true;
    }
    return false;
}

bool hark_cmd_no_node(const struct hark_cmd *cmd, const struct hark_verb *verb)
{
    char path[HARK_PATH_MAX];

    if (verb->run == hark_cmd_keys && hark_cmd_key_alone(cmd))
        return true;
    if (verb->needs == HARK_VERB_FILE && asks_by_policy(cmd))
        return true;
    if (verb->needs != HARK_VERB_FILE || cmd->argc != 2)
        return verb->needs == HARK_VERB_NO_NODE;
    if (strcmp(cmd->argv[1], "-") == 0)
        return needs_no_node(cmd->input);
    return hark_cmd_path(cmd, cmd->argv[1], path, NULL) == 0 && file_is(path);
}

/* --- in words ------------------------------------------------------------------------------ */

void hark_cmd_evidence_line(const struct hark_evidence *e, char *out, size_t size)
{
    char key[HARK_HEX_SIZE], space[HARK_HEX_SIZE];

    hark_key_hex(key, &e->key);
    hark_hash_hex(space, &e->space);
    switch (e->kind) {
    case HARK_EVIDENCE_FORK:
        (void)snprintf(out, size,
                       "evidence of a fork: node %s (log key %.12s) signed two histories of %s "
                       "space %.12s",
                       e->node, key, e->is_intake ? "its intake log of" : "the log of", space);
        return;
    case HARK_EVIDENCE_BACKDATED:
        (void)snprintf(out, size,
                       "evidence of backdating: node %s (log key %.12s) dated an entry of space "
                       "%.12s before %s",
                       e->node, key, space,
                       e->claim == HARK_CLAIM_STATEMENT
                           ? "it said itself that its log was without it"
                           : "a log without it was cosigned");
        return;
    case HARK_EVIDENCE_BACKWARDS:
        (void)snprintf(out, size,
                       "evidence against a cosigner: node %s (cosigner key %.12s) cosigned what "
                       "does not go together in space %.12s",
                       e->node, key, space);
        return;
    case HARK_EVIDENCE_TWIN:
        (void)snprintf(out, size,
                       "evidence of a twin: author key %.12s signed two entries number %" PRIu64
                       " in space %.12s",
                       key, e->seq, space);
        return;
    case HARK_EVIDENCE_WITHHELD:
        (void)snprintf(out, size,
                       "evidence of withholding: node %s (log key %.12s), home of space %.12s, did "
                       "not take over what node %s had accepted",
                       e->node, key, space, e->intake_node);
        return;
    case HARK_EVIDENCE_KINDS_:
        break;
    }
    hark_copy_text(out, size, "evidence");
}

static void side_words(const struct hark_evidence_side *side, char *out, size_t size)
{
    char root[HARK_HEX_SIZE], id[HARK_HEX_SIZE], time[HARK_TIME_SIZE + 1];
    int n;

    hark_hash_hex(root, &side->checkpoint.root);
    n = snprintf(out, size, "  %s: %" PRIu64 " entries, root %.12s", side->checkpoint.origin,
                 side->checkpoint.size, root);
    if (n > 0 && (size_t)n < size && side->is_receipt) {
        hark_hash_hex(id, &side->id);
        hark_time_encode(time, side->line.arrival_ms);
        n +=
            snprintf(out + n, size - (size_t)n, "; entry %.12s at position %" PRIu64 ", arrived %s",
                     id, side->line.position, time);
    }
    if (n > 0 && (size_t)n < size && side->time_s > 0) {
        hark_time_encode(time, 1000 * side->time_s);
        (void)snprintf(out + n, size - (size_t)n, "; cosigned %s", time);
    }
}

/* What does not go together in the two. */
static const char *claim_words(const struct hark_evidence *e)
{
    switch (e->claim) {
    case HARK_CLAIM_ROOT:
        return "As many entries, and not the same ones.";
    case HARK_CLAIM_BEGINNING:
        return e->sides[0].is_receipt
                   ? "The second does not begin with what the first holds, in which the entry "
                     "was acknowledged."
                   : "The second does not begin with what the first holds.";
    case HARK_CLAIM_ENTRY:
        return hark_hash_equal(&e->sides[0].id, &e->sides[1].id)
                   ? "The entry stands there with other times in the other."
                   : "What was acknowledged in the one is missing at its position in the other.";
    case HARK_CLAIM_TIME:
        return e->kind == HARK_EVIDENCE_BACKWARDS
                   ? "The smaller one was cosigned later: no honest cosigner goes back."
                   : "The entry is said to have arrived more than five minutes before a log "
                     "without it was cosigned.";
    case HARK_CLAIM_STATEMENT:
        return "The entry is said to have arrived more than five minutes before the home said that "
               "its log was without it.";
    case HARK_CLAIM_TWIN:
        return "A feed has one entry at each place. One key used at two nodes makes twins, too.";
    case HARK_CLAIM_WITHHELD: /* withheld_words */
        break;
    }
    return "";
}

/* By when the cosigners had it, and what the home says much later. */
static void withheld_words(const struct hark_evidence *e, char *out, size_t size)
{
    char by[HARK_TIME_SIZE + 1], heard[HARK_TIME_SIZE + 1], said[HARK_TIME_SIZE + 1];

    hark_time_encode(by, 1000 * e->sides[0].time_s);
    hark_time_encode(heard, 1000 * e->sides[1].time_s);
    hark_time_encode(said, e->said_ms);
    (void)snprintf(out, size,
                   "The entry at position %" PRIu64 " of the intake was with all who cosigned it "
                   "by %s.\nThey heard from the home again and again, at last by %s.\nAt %s the "
                   "home itself says that it has taken %" PRIu64 " of that intake: more than the "
                   "%" PRIu64 " seconds that it may take have passed.",
                   e->position, by, heard, said, e->taken, e->delay_s);
}

/* As many names as there is room for. */
static void cosigner_words(const struct hark_evidence *e, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < e->cosigner_count && used + HARK_NODE_NAME_MAX + 24 < size; i++) {
        char key[HARK_HEX_SIZE];
        int n;

        hark_key_hex(key, &e->cosigners[i].key);
        n = snprintf(out + used, size - used, "%s%s (key %.12s)", i == 0 ? "" : ", ",
                     e->cosigners[i].name, key);
        used += n > 0 ? (size_t)n : 0;
    }
}

static void withheld_rests(const struct hark_evidence *e, char *out, size_t size)
{
    char names[256];

    cosigner_words(e, names, sizeof(names));
    (void)snprintf(out, size,
                   "It rests on %zu cosigner%s: %s%s. Where one of them is honest, and gives the "
                   "home what it has when it hears from it, the home withheld the entry.",
                   e->cosigner_count, e->cosigner_count == 1 ? "" : "s", names,
                   e->cosigner_count > 2 ? " …" : "");
}

static void rests_words(const struct hark_evidence *e, char *out, size_t size)
{
    char key[HARK_HEX_SIZE];

    if (e->kind == HARK_EVIDENCE_WITHHELD) {
        withheld_rests(e, out, size);
        return;
    }
    if (e->kind != HARK_EVIDENCE_BACKDATED) {
        hark_copy_text(out, size, "It rests on the signatures alone.");
        return;
    }
    hark_key_hex(key, &e->cosigner_key);
    if (e->claim == HARK_CLAIM_STATEMENT) {
        (void)snprintf(out, size,
                       e->is_named
                           ? "It rests on the signatures alone, of that key and of cosigner key %s."
                           : "It rests on the signatures alone where the cosigner key %s is that "
                             "node's, too.",
                       key);
        return;
    }
    (void)snprintf(out, size,
                   "It rests on the cosigner %s (key %.12s): on its clock, its honesty, and that "
                   "it then had what the home had logged five minutes before. One that is cut off "
                   "cosigns a log as it last had it, so this alone does not convict.",
                   e->cosigner, key);
}

static const char *whose_words(const struct hark_evidence *e)
{
    if (e->kind == HARK_EVIDENCE_WITHHELD && e->is_named)
        return e->first_delay
                   ? "The space's first entry names the key, and a delay no longer than that: "
                     "what a later policy says has to be looked up."
                   : "The space's first entry names the key; it allows a longer delay, so a later "
                     "policy has to be looked up.";
    if (!e->is_named)
        return e->claim == HARK_CLAIM_STATEMENT
                   ? "Whose keys they are has to be looked up in the space's log."
               : e->kind == HARK_EVIDENCE_WITHHELD
                   ? "Whose key it is, and which delay the policy allows, has to be looked up in "
                     "the space's log."
                   : "Whose key it is has to be looked up in the space's log.";
    if (e->claim == HARK_CLAIM_STATEMENT)
        return "The space's first entry names both keys: it is the home that the space began with.";
    return e->kind == HARK_EVIDENCE_TWIN
               ? "The space's first entry names the key, as its steward's or its home's."
               : "The space's first entry names the key: it is the home that the space began with.";
}

static void words_of(const struct hark_evidence *e, char *out, size_t size)
{
    char line[512], sides[2][640], key[HARK_HEX_SIZE], rests[640], withheld[512];

    hark_cmd_evidence_line(e, line, sizeof(line));
    hark_key_hex(key, &e->key);
    rests_words(e, rests, sizeof(rests));
    for (size_t i = 0; i < 2; i++) {
        if (e->kind == HARK_EVIDENCE_TWIN) {
            char id[HARK_HEX_SIZE];

            hark_hash_hex(id, &e->sides[i].id);
            (void)snprintf(sides[i], sizeof(sides[i]), "  entry %s", id);
        } else {
            side_words(&e->sides[i], sides[i], sizeof(sides[i]));
        }
    }
    if (e->kind == HARK_EVIDENCE_WITHHELD)
        withheld_words(e, withheld, sizeof(withheld));
    (void)snprintf(out, size, "%s.\n%s %s:\n%s\n%s\n%s\n%s\n%s", line,
                   e->kind == HARK_EVIDENCE_WITHHELD ? "The home's key is" : "Signed with key", key,
                   sides[0], sides[1],
                   e->kind == HARK_EVIDENCE_WITHHELD ? withheld : claim_words(e), rests,
                   whose_words(e));
}

/* --- as JSON -------------------------------------------------------------------------------- */

static json_t *side_json(const struct hark_evidence *e, const struct hark_evidence_side *side)
{
    bool has_entry = side->is_receipt || e->kind == HARK_EVIDENCE_TWIN;
    json_t *entry = has_entry ? hark_out_hex(side->id.bytes, HARK_HASH_SIZE) : json_null();

    if (e->kind == HARK_EVIDENCE_TWIN)
        return json_pack("{s:o, s:I}", "entry", entry, "seq", (json_int_t)e->seq);
    return json_pack(
        "{s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "origin", hark_out_text(side->checkpoint.origin),
        "size", (json_int_t)side->checkpoint.size, "root",
        hark_out_hex(side->checkpoint.root.bytes, HARK_HASH_SIZE), "cosigned",
        side->time_s > 0 ? hark_out_time(1000 * side->time_s) : json_null(), "entry", entry,
        "position", hark_out_position(side->is_receipt ? side->line.position : HARK_NONE),
        "arrival", side->is_receipt ? hark_out_time(side->line.arrival_ms) : json_null());
}

static json_t *json_of(const struct hark_evidence *e)
{
    static const char *const roles[] = {"log", "log", "cosigner", "author", "log"};
    static const char *const claims[] = {"root", "beginning", "entry",   "time",
                                         "twin", "statement", "withheld"};

    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:b, s:b, s:o, s:[o, o]}", "kind",
                     hark_evidence_kind_name(e->kind), "claim", claims[e->claim], "key",
                     hark_out_hex(e->key.bytes, HARK_KEY_SIZE), "role", roles[e->kind], "node",
                     e->node[0] != '\0' ? hark_out_text(e->node) : json_null(), "space",
                     hark_out_hex(e->space.bytes, HARK_HASH_SIZE), "named", e->is_named, "convicts",
                     hark_evidence_convicts(e), "cosigner",
                     e->kind != HARK_EVIDENCE_BACKDATED
                         ? json_null()
                         : json_pack("{s:s, s:o}", "name", e->cosigner, "key",
                                     hark_out_hex(e->cosigner_key.bytes, HARK_KEY_SIZE)),
                     "signed", side_json(e, &e->sides[0]), side_json(e, &e->sides[1]));
}

/* What only evidence of withholding has. */
static json_t *withheld_json(const struct hark_evidence *e)
{
    json_t *cosigners = json_array();

    for (size_t i = 0; cosigners != NULL && i < e->cosigner_count; i++)
        (void)json_array_append_new(
            cosigners, json_pack("{s:s, s:o}", "name", e->cosigners[i].name, "key",
                                 hark_out_hex(e->cosigners[i].key.bytes, HARK_KEY_SIZE)));
    return json_pack(
        "{s:o, s:o, s:I, s:I, s:o, s:I, s:b, s:o}", "intake", hark_out_text(e->intake_node),
        "intake_key", hark_out_hex(e->intake_key.bytes, HARK_KEY_SIZE), "position",
        (json_int_t)e->position, "taken", (json_int_t)e->taken, "said", hark_out_time(e->said_ms),
        "delay_s", (json_int_t)e->delay_s, "first_delay", e->first_delay, "cosigners", cosigners);
}

int hark_cmd_evidence(struct hark_cmd *cmd, struct hark_span file, struct hark_err *err)
{
    struct hark_evidence found;
    char words[3584];
    json_t *json;
    int rc = hark_evidence_read(&found, file, err);

    if (rc < 0)
        return rc;
    words_of(&found, words, sizeof(words));
    json = json_of(&found);
    if (json != NULL &&
        json_object_set_new(json, "withheld",
                            found.kind == HARK_EVIDENCE_WITHHELD ? withheld_json(&found)
                                                                 : json_null()) != 0) {
        json_decref(json);
        json = NULL;
    }
    return hark_cmd_proved(cmd, "evidence", words, json, err);
}
