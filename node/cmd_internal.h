/*
 * What the verbs share, and nobody else includes: arguments, who is meant, what
 * a row looks like to people and to scripts, and the table of verbs.
 */
#ifndef HARK_NODE_CMD_INTERNAL_H
#define HARK_NODE_CMD_INTERNAL_H

#include "node/cmd.h"

#define HARK_NAME_SIZE  128u /* of a member's name, NUL included */
#define HARK_TITLE_SIZE 256u
#define HARK_HEX_SIZE   (2 * HARK_HASH_SIZE + 1)

/* --- cmd_args.c: arguments ------------------------------------------------- */

/* A verb of a verb: `invite ls`. */
struct hark_subverb {
    const char *name;
    int (*run)(struct hark_cmd *cmd, struct hark_err *err);
};
/* Runs the one that the first argument names, with the arguments shifted so that
 * argv[0] is its name; `other` (may be NULL: usage) runs when none is named. */
HARK_CHECK int hark_cmd_dispatch(struct hark_cmd *cmd, const struct hark_subverb *subverbs,
                                 size_t count,
                                 int (*other)(struct hark_cmd *cmd, struct hark_err *err),
                                 struct hark_err *err);
/* A decimal up to max; `what` names it in the message. Error: usage. */
HARK_CHECK int hark_cmd_number(const char *text, uint64_t max, const char *what, uint64_t *out,
                               struct hark_err *err);
/* A time, or a date: its first or, with `ends`, its last millisecond. Error: usage. */
HARK_CHECK int hark_cmd_time(const char *text, bool ends, uint64_t *time_ms, struct hark_err *err);
/* K=V. Error: usage. */
HARK_CHECK int hark_cmd_cohort(const char *text, struct hark_cohort *out, struct hark_err *err);
/* The caller's relative path, made absolute; HARK_PATH_MAX bytes. Error: usage. */
HARK_CHECK int hark_cmd_path(const struct hark_cmd *cmd, const char *path, char *out,
                             struct hark_err *err);
/* 8 to 64 lower-case hex digits? */
bool hark_cmd_is_id(const char *text);
/* A verb that the command line reserves and this version does not have. */
int hark_cmd_unsupported(struct hark_cmd *cmd, struct hark_err *err);

/* --- cmd_print.c: what comes out ------------------------------------------- */

/* As hark_print_text, on one line: LF and TAB are made visible too. */
void hark_print_line(FILE *out, const char *text);
/* Always a string: what is not UTF-8 is replaced by U+FFFD. NULL: no memory. */
json_t *hark_out_text(const char *text);
json_t *hark_out_hex(const uint8_t *bytes, size_t size);
json_t *hark_out_time(uint64_t time_ms);
json_t *hark_out_position(uint64_t position); /* null for HARK_NONE */
/* An entry's short form for people, 12 digits and a NUL. */
void hark_short_id(char out[13], const struct hark_hash *id);
/* Copies what fits, cut at a character. */
void hark_copy_text(char *out, size_t size, const char *text);

/* --- cmd_who.c: members and authors ------------------------------------------ */

/* This space's log is written here (what a home alone can do), or accept-not-here. */
HARK_CHECK int hark_cmd_home(struct hark_cmd *cmd, struct hark_space *space, struct hark_err *err);
/* A person of this node as a member of a space. */
struct hark_person {
    struct hark_author author; /* hark_author_free */
    char label[HARK_LABEL_MAX + 1];
    uint32_t ordinal;
    struct hark_member_object member;
};
/* Who writes (hark_cmd_person), and which member that is. staff: void-role for
 * others. Errors: entry-key (no member's key). */
HARK_CHECK int hark_cmd_as(struct hark_cmd *cmd, struct hark_space *space, bool staff,
                           struct hark_person *out, struct hark_err *err);
/* The member that an ordinal, "member:N", a key's hex (8 digits or more) or an
 * exact name means. Errors: not-found, ambiguous. */
HARK_CHECK int hark_cmd_member(struct hark_space *space, const char *who, uint32_t *ordinal,
                               struct hark_err *err);
/* The key of a member or node by its hex; 8 digits or more. */
HARK_CHECK int hark_cmd_key(struct hark_space *space, const char *hex, uint32_t *number,
                            struct hark_key_object *out, struct hark_err *err);
HARK_CHECK int hark_cmd_section_count(struct hark_space *space, enum hark_section section,
                                      uint64_t *count, struct hark_err *err);
/* "member 3" where there is no name. */
HARK_CHECK int hark_cmd_name(struct hark_space *space, uint32_t ordinal, char out[HARK_NAME_SIZE],
                             struct hark_err *err);
/* Who wrote a row, in words. */
HARK_CHECK int hark_cmd_author_name(struct hark_space *space, const struct hark_row *row,
                                    char out[HARK_NAME_SIZE], struct hark_err *err);
/* {"key","member","name","of"} */
HARK_CHECK int hark_cmd_author_json(struct hark_space *space, const struct hark_row *row,
                                    json_t **out, struct hark_err *err);
const char *hark_cmd_role_name(uint8_t role);
const char *hark_cmd_status_name(uint8_t status);

/* --- cmd_write.c: writing ---------------------------------------------------- */

/* begin has been called: commits, or rolls back when rc is an error already;
 * then what follows a batch. at_once: tends also when a daemon would. */
HARK_CHECK int hark_cmd_commit(struct hark_cmd *cmd, struct hark_space *space, int rc, bool at_once,
                               struct hark_err *err);
/* Writes one entry as the person and prints it. */
HARK_CHECK int hark_cmd_write(struct hark_cmd *cmd, struct hark_space *space,
                              const struct hark_author *author, const struct hark_draft *draft,
                              struct hark_err *err);
/* On the request of `person` the steward writes one entry, in a batch of its own.
 * Takes ownership of fields (NULL: no-memory). */
HARK_CHECK int hark_cmd_steward(struct hark_cmd *cmd, struct hark_space *space,
                                const struct hark_author *person, const char *action,
                                const char *kind, json_t *fields, struct hark_logged *out,
                                struct hark_err *err);
/* Prints a new entry: its id, kind and position; `more` (owned, may be NULL) is
 * merged into the JSON. */
HARK_CHECK int hark_cmd_print_logged(struct hark_cmd *cmd, struct hark_space *space,
                                     const char *kind, const struct hark_logged *logged,
                                     json_t *more, struct hark_err *err);

/* --- cmd_verify.c, cmd_evidence.c: what a file proves ------------------------- */

/* Says that it holds, in words or as JSON with what `more` has (owned; NULL: no-memory), which
 * may have another `holds`. */
HARK_CHECK int hark_cmd_proved(struct hark_cmd *cmd, const char *what, const char *words,
                               json_t *more, struct hark_err *err);
/* Judges a checkpoint or receipt by the policy in a file (PROTOCOL.md 7.12), without a node.
 * Errors: no (it does not hold; with nothing to say when only cosignatures are missing), those
 * of hark_tlog_policy_read and _judge, of hark_note_parse and hark_receipt_decode. */
HARK_CHECK int hark_cmd_verify_policy(struct hark_cmd *cmd, const char *policy,
                                      struct hark_span file, struct hark_err *err);
/* Checks a disclosure, and says what it proves. Errors: disclosure-form, disclosure. */
HARK_CHECK int hark_cmd_disclosed(struct hark_cmd *cmd, struct hark_span file,
                                  struct hark_err *err);
/* Checks an evidence file, and says what it proves. Errors: evidence-form, evidence. */
struct hark_evidence;
HARK_CHECK int hark_cmd_evidence(struct hark_cmd *cmd, struct hark_span file, struct hark_err *err);
/* Whom it is about and of what kind, on one line. */
void hark_cmd_evidence_line(const struct hark_evidence *evidence, char *out, size_t size);

/* --- cmd_export_policy.c ------------------------------------------------------ */

/* Appends the space's log, cosigners, quorum and HTTP witnesses as a C2SP tlog-policy. Errors:
 * no (nothing is logged, the quorum has too few cosigners), limit. */
HARK_CHECK int hark_cmd_policy_text(struct hark_cmd *cmd, struct hark_space *space,
                                    struct hark_buf *out, struct hark_err *err);

/* --- cmd_row.c: entries ------------------------------------------------------ */

/* The entry in flight with that id: borrowed until the space changes. Error: not-found. */
HARK_CHECK int hark_cmd_flight(struct hark_space *space, const struct hark_hash *id,
                               const struct hark_flight_entry **out, struct hark_err *err);
/* A row made of an entry in flight: its position is HARK_NONE, no batch and no arrival is
 * set, accepted_ms is 0 where it is in the outbox only. */
HARK_CHECK int hark_cmd_flight_row(struct hark_space *space, const struct hark_flight_entry *flight,
                                   struct hark_row *out, struct hark_err *err);
/* hark_index_title, of an entry in flight too. */
HARK_CHECK int hark_cmd_title(struct hark_space *space, const struct hark_row *row, char *out,
                              size_t size, struct hark_err *err);
/* The object of `log`. A hidden entry is marked so and has its payload: what to
 * do about it is the script's business. */
HARK_CHECK int hark_cmd_row_json(struct hark_space *space, const struct hark_row *row, json_t **out,
                                 struct hark_err *err);
/* One line: position, time, who, kind, title or what became of it. */
HARK_CHECK int hark_cmd_row_print(struct hark_cmd *cmd, struct hark_space *space,
                                  const struct hark_row *row, struct hark_err *err);
/* Positions that a query gives, for walks that read more on the way; *out is
 * freed with free(). below and the rest as in the query. */
HARK_CHECK int hark_cmd_positions(struct hark_space *space, const struct hark_log_query *query,
                                  uint64_t **out, size_t *count, struct hark_err *err);
/* The first entry's (or later policy's) title and objective. Owned. */
HARK_CHECK int hark_cmd_charter(struct hark_space *space, json_t **out, struct hark_err *err);

/* --- cmd_tally.c ------------------------------------------------------------- */

HARK_CHECK int hark_cmd_tally_json(const struct hark_tally *tally, json_t **out,
                                   struct hark_err *err);
/* The tally of an idea, which may be in flight: then nobody has voted. where and below as in
 * hark_index_tally. */
HARK_CHECK int hark_cmd_tally_of(struct hark_space *space, const struct hark_row *subject,
                                 const struct hark_cohort *where, size_t where_count,
                                 uint64_t below, struct hark_tally *out, struct hark_err *err);
/* Votes in flight that would count, {"agree","disagree","pass"}; JSON null for none. */
HARK_CHECK int hark_cmd_votes_in_flight(struct hark_space *space, const struct hark_row *subject,
                                        const struct hark_cohort *where, size_t where_count,
                                        json_t **out, struct hark_err *err);
/* "in flight, not counted: agree 1  disagree 0  pass 0"; nothing for null. */
void hark_cmd_print_in_flight(FILE *out, const json_t *votes);

/* --- cmd_dated.c: how homes date their logs ---------------------------------- */

/* What is wrong there, into *out, under the alert's name; nothing: it is empty. "undated": the
 * home of a space that this node cosigns is live, and has not dated its log for three times as
 * long as this node would (its date_log_s). "behind": this home has, of more than is here. */
HARK_CHECK int hark_cmd_dates(struct hark_cmd *cmd, struct hark_space *space, const char **name,
                              char *out, size_t size, struct hark_err *err);

/* --- cmd_witness.c: cosignatures --------------------------------------------- */

/* How many entries are settled (null: no quorum is wanted), and {"needed","cosigners"}. */
HARK_CHECK int hark_cmd_settled_json(struct hark_space *space, json_t **settled, json_t **quorum,
                                     struct hark_err *err);
/* How much of the log here the node with that log key has cosigned; null: nothing. */
HARK_CHECK int hark_cmd_cosigned_json(struct hark_space *space, const struct hark_key *log,
                                      json_t **out, struct hark_err *err);
/* Whose cosignatures a note holds, [{"node","key","time"}], of all nodes ever named. Error:
 * note-signature (one does not hold). */
HARK_CHECK int hark_cmd_cosigners(struct hark_space *space, struct hark_span note, json_t **out,
                                  struct hark_err *err);
/* The same in words; `otherwise` when there is none. */
void hark_cmd_cosigners_words(const json_t *cosigners, const char *otherwise, char *out,
                              size_t size);
/* Adds what is wrong. */
HARK_CHECK int hark_cmd_witness_alerts(struct hark_cmd *cmd, struct hark_space *space,
                                       json_t *alerts, struct hark_err *err);

/* --- cmd_group_check.c --------------------------------------------------------- */

int hark_cmd_group_overlap(struct hark_cmd *cmd, struct hark_err *err);
/* Is that member of the community known to be in the group? */
HARK_CHECK int hark_cmd_group_has(struct hark_cmd *cmd, struct hark_space *group,
                                  struct hark_space *community, uint32_t member, bool *has,
                                  struct hark_err *err);
int hark_cmd_group_check(struct hark_cmd *cmd, struct hark_err *err);
/* Adds what is wrong with the keys of a private group. */
HARK_CHECK int hark_cmd_group_alerts(struct hark_cmd *cmd, struct hark_space *space, json_t *alerts,
                                     struct hark_err *err);

/* --- cmd_receipt.c ----------------------------------------------------------- */

/* Adds what was given to this node for its entries and does not hold, or not any more. */
HARK_CHECK int hark_cmd_receipt_alerts(struct hark_space *space, json_t *alerts,
                                       struct hark_err *err);

/* --- cmd_ticket.c ------------------------------------------------------------ */

/* Addresses under which this node can be reached: advertised, or where it listens, or
 * where its daemon does in fact. */
void hark_cmd_addresses(const struct hark_node *node, struct hark_ticket_node *out);

/* --- cmd_partner.c ----------------------------------------------------------- */

/* Adds a peer to the configuration, or replaces the one of that name; saved. */
HARK_CHECK int hark_cmd_put_peer(struct hark_cmd *cmd, const struct hark_config_peer *peer,
                                 struct hark_err *err);
/* Puts the node of a node ticket among the configured peers, with its spaces to
 * follow; names it in no space. Errors: T1 to T4, exists, usage, limit. */
HARK_CHECK int hark_cmd_follow_ticket(struct hark_cmd *cmd, const char *text, struct hark_err *err);

/* --- cmd_sync.c -------------------------------------------------------------- */

/* The daemon's network, or one of its own for the verb: *own is to be stopped
 * (hark_net_stop) in any case. */
HARK_CHECK int hark_cmd_net(struct hark_cmd *cmd, struct hark_net **net, struct hark_net **own,
                            struct hark_err *err);
/* Waits a moment for what the network wants from the writer, and does it. *progress
 * (may be NULL): batches came. */
HARK_CHECK int hark_cmd_net_step(struct hark_cmd *cmd, struct hark_net *net, bool *progress,
                                 struct hark_err *err);

/* Until all logs that are followed are level (or do not go on) and all that is to be
 * handed in has been. patience_ms: how long nothing may come meanwhile. Error:
 * peer-unreachable. */
HARK_CHECK int hark_cmd_net_wait(struct hark_cmd *cmd, struct hark_net *net, uint64_t patience_ms,
                                 struct hark_err *err);

/* --- cmd_key_passwd.c -------------------------------------------------------- */

/* Is that one of `hark key`'s that work on key files alone, without the node? */
bool hark_cmd_key_alone(const struct hark_cmd *cmd);
int hark_cmd_key_passwd(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_key_export(struct hark_cmd *cmd, struct hark_err *err);

/* --- the verbs --------------------------------------------------------------- */

int hark_cmd_init(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_invite(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_join(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_members(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_group(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_device(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_topic(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_post(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_idea(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_revise(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_vote(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_respond(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_decide(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_act(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_recognize(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_hide(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_erase(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_log(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_show(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_history(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_search(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_tally(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_top(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_status(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_verify(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_audit(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_export(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_receipt(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_disclose(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_reindex(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_gc(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_outbox(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_policy(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_home_verb(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_recover(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_repair(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_partner(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_ticket(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_key_rekey(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_key_ls(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_keys(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_version(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_help(struct hark_cmd *cmd, struct hark_err *err);
/* Elsewhere: cmd_sync.c, import.c. */
int hark_cmd_sync(struct hark_cmd *cmd, struct hark_err *err);
int hark_cmd_import(struct hark_cmd *cmd, struct hark_err *err);

#endif
