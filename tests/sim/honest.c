/*
 * Chance, files, the beginning of a history and its end.
 */
#include "honest.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/files.h"

static const char *const NAMES[HONEST_NODES_MAX] = {
    WORLD_HOME, "one.example", "two.example", "three.example", "four.example", "five.example"};

/* What all histories of that many partners begin with. */
struct beginning {
    struct world *world;
    uint32_t logs[HONEST_NODES_MAX], cosigners[HONEST_NODES_MAX];
    uint32_t authors[HONEST_AUTHORS], stewards[HONEST_STEWARDS];
    uint64_t topic;
    char dir[HONEST_PATH_MAX];
};

static char top[HONEST_PATH_MAX];
static struct beginning beginnings[HONEST_PARTNERS_MAX + 1];

/* --- chance (splitmix64) ------------------------------------------------------------------ */

uint64_t honest_below(struct honest *h, uint64_t bound)
{
    uint64_t z = h->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % bound;
}

bool honest_chance(struct honest *h, unsigned per_mille)
{
    return honest_below(h, 1000) < per_mille;
}

static void tell_node(const struct honest_node *node)
{
    const struct hark_log_head *head = node->space == NULL ? NULL : hark_space_head(node->space);

    if (head == NULL)
        print_message(" %s (down)", node->name);
    else
        print_message(" %s (%llu, %s)", node->name, (unsigned long long)head->tree.size,
                      strrchr(head->origin, '/') + 1);
}

void honest_tell(const struct honest *h, const char *what, const struct honest_node *node,
                 const struct honest_node *other)
{
    if (!h->tells)
        return;
    print_message("%u, %llu s: %s", h->step, (unsigned long long)(h->now_ms / 1000 % 100000), what);
    if (node != NULL)
        tell_node(node);
    if (other != NULL)
        tell_node(other);
    print_message("\n");
}

void honest_broken(const struct honest *h, const char *what, const struct hark_err *err)
{
    fail_msg("seed %llu, step %u: %s: %s (%s)\nrun it again: HARK_SIM_SEED=%llu ./test_honest",
             (unsigned long long)h->seed, h->step, what, err != NULL ? err->message : "",
             err != NULL ? hark_err_name(err->code) : "", (unsigned long long)h->seed);
}

/* --- files ---------------------------------------------------------------------------------- */

static struct {
    const char *to;
    size_t skip;
} copying; /* for nftw */

static int copy_file(const char *from, const char *to)
{
    char bytes[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = 0;

    while (in >= 0 && out >= 0 && (n = read(in, bytes, sizeof(bytes))) > 0) {
        if (write(out, bytes, (size_t)n) != n)
            n = -1;
        if (n < 0)
            break;
    }
    if (in >= 0)
        (void)close(in);
    if (out < 0 || close(out) != 0 || in < 0)
        return -1;
    return n == 0 ? 0 : -1;
}

static int copy_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    char to[512];
    int n = snprintf(to, sizeof(to), "%s%s", copying.to, path + copying.skip);

    (void)where;
    if (n < 0 || (size_t)n >= sizeof(to))
        return -1;
    if (type == FTW_D)
        return mkdir(to, info->st_mode & 0777);
    return type == FTW_F ? copy_file(path, to) : -1;
}

void honest_copy_tree(struct honest *h, const char *from, const char *to)
{
    copying.to = to;
    copying.skip = strlen(from);
    if (nftw(from, copy_one, 16, FTW_PHYS) != 0)
        honest_broken(h, "a directory cannot be copied", NULL);
}

void honest_remove_tree(struct honest *h, const char *path)
{
    HONEST_OK(h, hark_tree_remove(path, why));
}

static void make_place(struct honest *h, const char *dir)
{
    static const char *const FOLDERS[] = {"", "/spaces", "/index"};
    char path[HONEST_PATH_MAX + 16];

    for (size_t i = 0; i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", dir, FOLDERS[i]);
        HONEST_OK(h, hark_dir_make(path, why));
    }
}

void honest_keep(struct honest *h, struct honest_kept *kept, struct hark_span bytes)
{
    size_t at = kept->count < HONEST_KEPT_MAX ? kept->count++ : honest_below(h, HONEST_KEPT_MAX);

    hark_buf_free(&kept->at[at]);
    kept->at[at] = hark_buf_init(bytes.size + 1);
    HONEST_OK(h, hark_buf_append_span(&kept->at[at], bytes, why));
}

void honest_forget(struct honest_kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        hark_buf_free(&kept->at[i]);
    kept->count = 0;
}

/* --- beginnings --------------------------------------------------------------------------------
 */

static void say(struct beginning *b, const char *kind, json_t *fields)
{
    (void)world_say(b->world, WORLD_STEWARD, kind, fields, HARK_NONE);
}

static void write_beginning(struct beginning *b, size_t partners)
{
    struct world *w = b->world = world_new(29, NULL, NULL);

    b->authors[0] = WORLD_STEWARD;
    b->logs[0] = WORLD_LOG;
    b->cosigners[0] = WORLD_COSIGNER;
    for (size_t i = 1; i < HONEST_AUTHORS; i++) {
        b->authors[i] = world_new_key(w);
        say(b, "admit", world_fields_admit(w, b->authors[i], "member", WORLD_NO_KEY));
    }
    for (size_t i = 1; i <= partners; i++) {
        b->logs[i] = world_new_key(w);
        b->cosigners[i] = world_new_key(w);
        say(b, "node", world_fields_node(NAMES[i], b->logs[i], b->cosigners[i], world_new_key(w)));
    }
    for (size_t i = 0; i < HONEST_STEWARDS; i++)
        b->stewards[i] = world_new_key(w);
    b->topic =
        world_say(w, b->authors[1], "topic", json_pack("{s:s}", "title", "The park"), HARK_NONE);
}

static void log_beginning(struct honest *h, struct beginning *b)
{
    const struct hark_signer *log_key = world_signer(WORLD_LOG);
    struct hark_space *space = NULL;

    make_place(h, b->dir);
    HONEST_OK(h, hark_space_create(&space, b->dir, &b->world->space, NULL, why));
    HONEST_OK(h, hark_space_begin(space, why));
    for (size_t i = 0; i < b->world->count; i++) {
        const struct world_entry *e = b->world->log[i];
        const struct hark_offer offer = {
            .bytes = e->object, .payload = e->payload, .now_ms = e->arrival.arrival_ms};

        HONEST_OK(h, hark_space_add(space, &offer, log_key, NULL, why));
    }
    HONEST_OK(h, hark_space_commit(space, log_key, b->world->now_ms, why));
    HONEST_OK(h, hark_space_tend(space, why));
    hark_space_free(space);
}

int honest_set_up(void **state)
{
    struct honest *h = calloc(1, sizeof(*h));

    (void)state;
    assert_non_null(h);
    HONEST_OK(h, hark_crypto_init(why));
    HONEST_OK(h, hark_git_init(why));
    /* In memory where there is such a place: what a power cut leaves is for other tests. */
    (void)snprintf(top, sizeof(top), "/dev/shm/hark-honest-XXXXXX");
    if (mkdtemp(top) == NULL) {
        (void)snprintf(top, sizeof(top), "/tmp/hark-honest-XXXXXX");
        assert_non_null(mkdtemp(top));
    }
    for (size_t partners = HONEST_PARTNERS_MIN; partners <= HONEST_PARTNERS_MAX; partners++) {
        struct beginning *b = &beginnings[partners];

        (void)snprintf(b->dir, sizeof(b->dir), "%.64s/with-%zu", top, partners);
        write_beginning(b, partners);
        log_beginning(h, b);
    }
    free(h);
    return 0;
}

int honest_tear_down(void **state)
{
    struct honest *h = calloc(1, sizeof(*h));

    (void)state;
    assert_non_null(h);
    for (size_t i = HONEST_PARTNERS_MIN; i <= HONEST_PARTNERS_MAX; i++)
        world_free(beginnings[i].world);
    honest_remove_tree(h, top);
    free(h);
    return 0;
}

static void begin_author(struct honest *h, struct honest_author *author, uint32_t key)
{
    struct hark_feed_object feed;
    bool found = false;
    uint32_t number = 0;

    author->key = key;
    HONEST_OK(h, hark_state_find_key(h->world->state, world_key(key), &found, &number, why));
    if (found && hark_state_feed(h->world->state, number, &feed, NULL) == 0) {
        author->seq = feed.seq;
        author->last = feed.last;
        author->parent = feed.last_git;
    }
}

void honest_begin(struct honest *h, uint64_t seed)
{
    const struct beginning *b;

    *h = (struct honest){.tells = h->tells, .seed = seed, .random = seed};
    h->count =
        HONEST_PARTNERS_MIN + 1 + honest_below(h, HONEST_PARTNERS_MAX - HONEST_PARTNERS_MIN + 1);
    b = &beginnings[h->count - 1];
    h->world = b->world;
    h->world->random = seed;
    h->now_ms = WORLD_START_MS + 86400000;
    h->topic = b->world->log[b->topic]->entry.id;
    h->lost = h->moving_from = h->heir = HONEST_NOBODY;
    for (size_t i = 0; i < HONEST_AUTHORS; i++)
        begin_author(h, &h->authors[i], b->authors[i]);
    for (size_t i = 0; i < HONEST_WORDS; i++)
        begin_author(h, &h->recovery[i], WORLD_RECOVERY + (uint32_t)i);
    memcpy(h->stewards, b->stewards, sizeof(h->stewards));
    for (size_t i = 0; i < h->count; i++) {
        struct honest_node *node = &h->nodes[i];

        node->name = NAMES[i];
        node->log = b->logs[i];
        node->cosigner = b->cosigners[i];
        node->is_slow = honest_chance(h, 200);
        (void)snprintf(node->dir, sizeof(node->dir), "%.64s/node-%zu", top, i);
        (void)snprintf(node->copy, sizeof(node->copy), "%.64s/copy-%zu", top, i);
        honest_remove_tree(h, node->dir); /* of a history that a failure ended */
        honest_remove_tree(h, node->copy);
        honest_copy_tree(h, b->dir, node->dir);
        honest_open(h, node);
    }
}

void honest_end(struct honest *h)
{
    for (size_t i = 0; i < h->count; i++) {
        struct honest_node *node = &h->nodes[i];

        honest_close(node);
        honest_remove_tree(h, node->dir);
        if (node->has_copy)
            honest_remove_tree(h, node->copy);
    }
    for (size_t i = 0; i < HONEST_AUTHORS; i++) {
        for (size_t j = 0; j < h->authors[i].count; j++)
            world_entry_free(h->authors[i].said[j]);
    }
    for (size_t i = 0; i < HONEST_WORDS; i++) {
        for (size_t j = 0; j < h->recovery[i].count; j++)
            world_entry_free(h->recovery[i].said[j]);
    }
    if (h->moving != NULL)
        world_entry_free(h->moving);
    honest_forget(&h->letters);
    honest_forget(&h->receipts);
}
