/*
 * A node's data directory: configuration, keys, spaces, the lock.
 *
 *     hark.yaml             configuration (schemas/config.h)
 *     version               "hark data 1"; the last that is put there
 *     unfinished            while there is no version yet
 *     lock                  held (flock) by the process that writes
 *     place                 inode and birth of this very file: they tell a restored copy
 *     sock                  the daemon's local socket, mode 0600
 *     keys/device           the node's seed
 *     keys/people/<label>   seeds of people whose keys this node holds
 *     spaces/<id>.git       one bare repository a space
 *     index/<id>.db         derived, rebuildable
 *     outbox/<id>.db        what was written here and is not logged yet (outbox.h)
 *     cosigned/<id>/        what cosigners signed of its log (notes.h)
 *     evidence/             what convicts somebody (convict.h)
 *     witnessed/            what was cosigned of others' logs (witnessed.h)
 *     founding              a space that is not whole yet (founding.h)
 *     joins/<space id>.json a request to join that was sent (cmd_join_net.c)
 *     steward/<space id>    the nonce of a space whose steward this node is (hex)
 */
#ifndef HARK_NODE_NODE_H
#define HARK_NODE_NODE_H

#include "crypto/keyfile.h"
#include "crypto/passphrase.h"
#include "node/space.h"
#include "schemas/config.h"

#define HARK_SPACES_MAX 4096u

/* A node's own key pairs, derived from its seed (PROTOCOL.md 2.3). */
struct hark_node_identity {
    struct hark_signer *log, *cosigner, *author, *witness;
    struct hark_box *box, *curve;
};

struct hark_node {
    char dir[HARK_PATH_MAX];
    struct hark_config *config;
    struct hark_seed *seed;
    struct hark_node_identity identity;
    struct hark_pool *pool;
    int lock_fd;
    bool read_only;
    bool unattended;                    /* a daemon: nobody is asked for a passphrase any more */
    struct hark_passphrase *passphrase; /* that opened a key file; NULL: none was sealed */
    bool moved; /* the directory is not where it was when it was last written (place) */
    char bound[HARK_ADDRESS_MAX + 1];      /* where the daemon listens in fact; else empty */
    char http_bound[HARK_ADDRESS_MAX + 1]; /* the same of HTTP: "http://…" */
    uint64_t people_made;                  /* how many keys of people were made by this process */
    size_t space_count;
    struct hark_space **spaces; /* open ones, opened on first use */
};

/* Makes a data directory (it must be absent or empty), with a new seed. The same as
 * hark_node_make and hark_node_finish. Errors: exists, io, disk-full. */
HARK_CHECK int hark_node_init(const char *dir, const struct hark_config *config,
                              struct hark_span passphrase, struct hark_err *err);
/* The same, for who has more to put there: marked as unfinished, so that nothing but
 * hark_node_open_unfinished opens it, and making it again begins anew wherever it was
 * interrupted. Errors: also busy (another process is at it). */
HARK_CHECK int hark_node_make(const char *dir, const struct hark_config *config,
                              struct hark_span passphrase, struct hark_err *err);
HARK_CHECK int hark_node_open_unfinished(struct hark_node **out, const char *dir,
                                         struct hark_err *err);
/* All is there: it is a node's directory from now on. */
HARK_CHECK int hark_node_finish(const char *dir, struct hark_err *err);
/* Opens it. write: takes the lock (HARK_E_BUSY when another process has it). */
HARK_CHECK int hark_node_open(struct hark_node **out, const char *dir, bool write,
                              struct hark_err *err);
/* Opens only its configuration, for work on the key files themselves: no keys, no spaces.
 * lock: takes the lock, too. */
HARK_CHECK int hark_node_open_config(struct hark_node **out, const char *dir, bool lock,
                                     struct hark_err *err);
void hark_node_free(struct hark_node *node);
/* The directory is where it is to be from now on (node->moved ends). What cannot be
 * written now is written another time. */
void hark_node_settle(struct hark_node *node);
HARK_CHECK int hark_node_save_config(struct hark_node *node, struct hark_err *err);
/* Public keys of this node. */
void hark_node_keys(const struct hark_node *node, struct hark_node_keys *out);

/* Ids of the spaces in the directory; *ids allocated (free()). */
HARK_CHECK int hark_node_spaces(struct hark_node *node, struct hark_hash **ids, size_t *count,
                                struct hark_err *err);
/* Borrowed; opened once and kept. */
HARK_CHECK int hark_node_space(struct hark_node *node, const struct hark_hash *id,
                               struct hark_space **out, struct hark_err *err);
/* Makes one; borrowed like the above. */
HARK_CHECK int hark_node_create_space(struct hark_node *node, const struct hark_hash *id,
                                      struct hark_space **out, struct hark_err *err);
/* Closes it, if it is open: its files may be moved then. */
void hark_node_close_space(struct hark_node *node, const struct hark_hash *id);
/* As hark_node_spaces, of another folder `dir`/spaces; none when it is not there. */
HARK_CHECK int hark_spaces_in(const char *dir, struct hark_hash **ids, size_t *count,
                              struct hark_err *err);
/* Which space that name means, as hark_node_pick_space, without opening it. */
HARK_CHECK int hark_node_pick_id(struct hark_node *node, const char *name, struct hark_hash *out,
                                 struct hark_err *err);
/* By full or abbreviated id (at least 8 digits), or NULL for the only one.
 * Errors: not-found, ambiguous, usage (several, none named). */
HARK_CHECK int hark_node_pick_space(struct hark_node *node, const char *name,
                                    struct hark_space **out, struct hark_err *err);
/* Is this node the space's home (its log key is the one in force)? */
bool hark_node_is_home(const struct hark_node *node, struct hark_space *space);
/* As what this node is named in the space now. Error: not-found (it is not). */
HARK_CHECK int hark_node_named(const struct hark_node *node, struct hark_space *space,
                               struct hark_node_object *out, struct hark_err *err);

/* Who writes: a key pair in a space. */
struct hark_author {
    struct hark_signer *sign;
    struct hark_box *box; /* NULL for a node's author key */
};
void hark_author_free(struct hark_author *author);

/* The steward's keys for a space that this node founded. Error: not-found. */
HARK_CHECK int hark_node_steward(struct hark_node *node, const struct hark_hash *space,
                                 struct hark_author *out, struct hark_err *err);
/* Makes and remembers a nonce for a space to be founded; moved under the space's
 * id by hark_node_steward_named. */
HARK_CHECK int hark_node_new_steward(struct hark_node *node, uint8_t nonce[32],
                                     struct hark_author *out, struct hark_err *err);
HARK_CHECK int hark_node_steward_named(struct hark_node *node, const uint8_t nonce[32],
                                       const struct hark_hash *space, struct hark_err *err);

/* The nonce was of no use here: forgets it. */
HARK_CHECK int hark_node_steward_forget(struct hark_node *node, const struct hark_hash *space,
                                        struct hark_err *err);

/* Makes keys/people/<label> (hark_label_valid), sealed where the device's is. Error:
 * exists. */
HARK_CHECK int hark_node_new_person(struct hark_node *node, const char *label,
                                    struct hark_err *err);
/* The seed of the person labelled so, owned by the caller. Errors: not-found, usage, those of
 * hark_node_load_key. */
HARK_CHECK int hark_node_person_seed(struct hark_node *node, const char *label,
                                     struct hark_seed **out, struct hark_err *err);
/* The keys of a person held here, in a space; `box` is that of generation 0 (generations.h has
 * the one in force). `who`: a label; or hex (at least 8
 * digits) of the key in that space; or NULL: the only person, or the one labelled
 * "owner". Errors: not-found, ambiguous, usage. label (may be NULL) receives up
 * to HARK_LABEL_MAX + 1 bytes. */
HARK_CHECK int hark_node_person(struct hark_node *node, const struct hark_hash *space,
                                const char *who, struct hark_author *out, char *label,
                                struct hark_err *err);
/* How many of the people whose keys are held here have one in force in the space. */
HARK_CHECK int hark_node_count_keys(struct hark_node *node, struct hark_space *space,
                                    uint64_t *count, struct hark_err *err);
/* The label of the one person of this node who has a key in force there. Errors: not-found
 * (nobody has), ambiguous, those of opening keys. */
HARK_CHECK int hark_node_only_member(struct hark_node *node, struct hark_space *space,
                                     char label[HARK_LABEL_MAX + 1], struct hark_err *err);
/* Calls fn for each person of this node with a key in force in both spaces, with the ordinals
 * there. Errors: those of fn, of opening keys. */
typedef int hark_common_fn(void *arg, uint32_t in_a, uint32_t in_b, struct hark_err *err);
HARK_CHECK int hark_node_each_common(struct hark_node *node, struct hark_space *a,
                                     struct hark_space *b, hark_common_fn *fn, void *arg,
                                     struct hark_err *err);
/* What the people whose keys are held here see of an encrypted space, up to the log as it is
 * here; *out NULL in an open space. Borrowed (node/inside.h). Errors: key-passphrase and those
 * of reading the log. */
struct hark_inside;
HARK_CHECK int hark_node_inside(struct hark_node *node, struct hark_space *space,
                                struct hark_inside **out, struct hark_err *err);
/* The keys of an imported participant (PROTOCOL.md 2.3). */
HARK_CHECK int hark_node_imported(struct hark_node *node, const struct hark_hash *space,
                                  const char *source, const char *reference,
                                  struct hark_author *out, struct hark_err *err);

/* A key file of the node's, by its path. Errors: those of hark_keyfile_load and
 * hark_node_passphrase. */
HARK_CHECK int hark_node_load_key(struct hark_node *node, const char *path, struct hark_seed **out,
                                  struct hark_err *err);
/* A hark_passphrase_fn with arg = the node: from the file that the configuration names, or
 * typed at the terminal; once, and kept. Errors: key-passphrase (nobody can be asked), those
 * of passphrase.h. */
int hark_node_passphrase(void *node, const char *path, struct hark_buf *secret,
                         struct hark_err *err);

/* Milliseconds since 1970 by the system's clock: for what is signed, stored or shown.
 * It may jump either way. */
uint64_t hark_now_ms(void);
/* Milliseconds since some moment long ago, by a clock that nobody sets and that goes on
 * while the machine sleeps: for what is due in a while. Never 0, only for comparing
 * within one process. */
uint64_t hark_timer_ms(void);

#endif
