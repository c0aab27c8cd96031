/*
 * What must hold: of what honest cosigners let out, and of what readers take for settled.
 */
#include "settle.h"

#include <string.h>

/* ---- by the words of 7.8 ---- */

static unsigned signers(const struct settle_entry *entry, const uint64_t *best, uint64_t size)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < SETTLE_NODES_MAX; i++)
        count += (settle_cosigners(entry) >> i & 1) != 0 && best[i] >= size ? 1 : 0;
    return count;
}

/* The most entries that enough of its cosigners have signed. */
static uint64_t reach(const struct settle_entry *entry, const uint64_t *best)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < SETTLE_NODES_MAX; i++) {
        if (best[i] > most && signers(entry, best, best[i]) >= entry->needed)
            most = best[i];
    }
    return most;
}

uint64_t settle_by_words(const struct settle_sim *sim, uint32_t tip, uint64_t before,
                         const uint64_t *best, uint32_t *steps, size_t *count)
{
    uint64_t reaches[SETTLE_ENTRIES_MAX], settled = before;
    uint32_t path[SETTLE_ENTRIES_MAX];
    uint64_t size = sim->entries[tip].size;
    for (uint32_t at = tip; at != SETTLE_NONE; at = sim->entries[at].before)
        path[sim->entries[at].size] = at;
    for (uint64_t n = before > 0 ? before : 1; n <= size; n++) {
        const struct settle_entry *entry = &sim->entries[path[n]];
        bool same = n > 1 && n > before && entry->kind == SETTLE_POST;
        reaches[n] = !settle_can(entry) ? UINT64_MAX : same ? reaches[n - 1] : reach(entry, best);
    }
    do {
        before = settled;
        uint64_t least = UINT64_MAX;
        for (uint64_t n = before > 0 ? before : 1; n <= size; n++) {
            least = reaches[n] < least ? reaches[n] : least;
            if (n > settled && settle_can(&sim->entries[path[n]]) && least >= n)
                settled = n;
        }
        if (settled > before && steps != NULL)
            steps[(*count)++] = path[settled];
    } while (settled > before);
    return settled;
}

/* ---- readers ---- */

static bool is_node(const struct settle_sim *sim, const struct settle_reader *reader)
{
    return reader - sim->readers < (ptrdiff_t)SETTLE_GENUINE;
}

/* As a reader can tell: by the root. */
static uint64_t fitting(const struct settle_sim *sim, const struct settle_reader *reader,
                        uint32_t signed_entry)
{
    const struct settle_entry *entry = &sim->entries[signed_entry];
    const struct settle_entry *here = &sim->entries[settle_at(sim, reader->tip, entry->size)];
    return here->size == entry->size && hark_hash_equal(&here->root, &entry->root) ? entry->size
                                                                                   : 0;
}

uint64_t settle_best(const struct settle_sim *sim, const struct settle_reader *reader,
                     uint32_t cosigner)
{
    uint64_t best = 0;
    if (is_node(sim, reader))
        return fitting(sim, reader, reader->kept[cosigner]);
    for (size_t i = 0; i < sim->cosigned_count; i++) {
        if (!reader->seen[i] || sim->cosigned[i].cosigner != cosigner)
            continue;
        uint64_t size = fitting(sim, reader, sim->cosigned[i].entry);
        best = size > best ? size : best;
    }
    return best;
}

/* The last of its steps that is of no more than that many entries. */
static uint64_t step_below(const struct settle_sim *sim, const struct settle_reader *reader,
                           uint64_t size)
{
    uint64_t found = 0;
    for (size_t i = 0; i < reader->step_count; i++) {
        uint64_t at = sim->entries[reader->steps[i]].size;
        found = at <= size && at > found ? at : found;
    }
    return found;
}

/* Both went on from what they share by the leave of the same quorums: those from the later
 * of their two steps on. One of these that liars do not hold, and it should not be. */
static bool is_promised(const struct settle_sim *sim, const struct settle_reader *a,
                        const struct settle_reader *b, uint64_t common)
{
    uint64_t of_a = step_below(sim, a, common), of_b = step_below(sim, b, common);
    uint64_t from = of_a > of_b ? of_a : of_b;
    for (uint64_t n = from > 0 ? from : 1; n <= common; n++) {
        const struct settle_entry *entry = &sim->entries[settle_at(sim, a->settled_entry, n)];
        if (settle_can(entry) && (sim->fault == SETTLE_TOO_FEW || !settle_is_captured(sim, entry)))
            return true;
    }
    return false;
}

static void compare(struct settle_sim *sim, const struct settle_reader *a,
                    const struct settle_reader *b)
{
    uint64_t common = settle_common(sim, a->settled_entry, b->settled_entry);
    if (common == a->settled || common == b->settled)
        return;
    settle_tell(sim, "readers %td and %td: %llu and %llu settled, %llu of them the same",
                a - sim->readers, b - sim->readers, (unsigned long long)a->settled,
                (unsigned long long)b->settled, (unsigned long long)common);
    if (is_promised(sim, a, b, common))
        settle_broken(sim, "two histories are settled");
    else
        sim->excused = true;
}

static void grew(struct settle_sim *sim, struct settle_reader *reader, uint64_t settled)
{
    settle_tell(sim, "reader %td of %u: settled up to %llu", reader - sim->readers,
                (unsigned)reader->tip, (unsigned long long)settled);
    sim->settlings++;
    for (uint32_t at = settle_at(sim, reader->tip, settled);
         sim->entries[at].size > reader->settled; at = sim->entries[at].before) {
        const struct settle_entry *entry = &sim->entries[at];
        sim->changes += entry->kind != SETTLE_POST && reader->settled > 0 ? 1 : 0;
        sim->captured += settle_can(entry) && settle_is_captured(sim, entry) ? 1 : 0;
    }
    reader->settled = settled;
    reader->settled_entry = settle_at(sim, reader->tip, settled);
    for (size_t i = 0; i < SETTLE_READERS_MAX; i++)
        compare(sim, reader, &sim->readers[i]);
}

void settle_look(struct settle_sim *sim, struct settle_reader *reader)
{
    struct hark_cosigned_size cosigned[SETTLE_NODES_MAX];
    uint64_t best[SETTLE_NODES_MAX], settled, by_words;
    size_t count = 0;
    if (settle_bring(sim, reader) != 0) {
        settle_broken(sim, "what stands is refused");
        return;
    }
    for (uint32_t i = 0; i < SETTLE_NODES_MAX; i++) {
        best[i] = settle_best(sim, reader, i);
        if (best[i] > 0)
            cosigned[count++] = (struct hark_cosigned_size){settle_key(i), best[i]};
    }
    settled = hark_quorums_settled(&reader->quorums, reader->settled,
                                   sim->entries[reader->tip].size, cosigned, count);
    by_words = settle_by_words(sim, reader->tip, reader->settled, best, reader->steps,
                               &reader->step_count);
    if (settled != by_words)
        settle_broken(sim, "what is settled is not what 7.8 says");
    else if (settled > sim->entries[reader->tip].size)
        settle_broken(sim, "more is settled than there is");
    else if (settled < sim->entries[reader->settled_entry].size)
        settle_broken(sim, "less is settled than was");
    else if (settled > reader->settled)
        grew(sim, reader, settled);
    if (!settle_is_beginning(sim, reader->settled_entry, reader->tip))
        settle_broken(sim, "a reader dropped what was settled");
}

/* ---- honest cosigners ---- */

void settle_check_out(struct settle_sim *sim, struct settle_reader *node,
                      const struct settle_cosigned *out)
{
    const struct settle_entry *was = &sim->entries[node->out.entry];
    if (node->out.entry != SETTLE_NONE) {
        if (sim->entries[out->entry].size < was->size)
            settle_broken(sim, "a cosigner signs backwards");
        else if (!settle_is_beginning(sim, node->out.entry, out->entry))
            settle_broken(sim, "a cosigner signs two histories");
        else if (out->time_s < node->out.time_s)
            settle_broken(sim, "a cosigner's time goes back");
    }
    node->out = *out;
}

/* Everything was delivered, and nobody lied: what could be settled is. */
void settle_check_end(struct settle_sim *sim)
{
    uint32_t tip = sim->tips[0];
    uint64_t best[SETTLE_NODES_MAX] = {0}, expected, last = 0;
    for (uint32_t i = 0; i < SETTLE_GENUINE; i++)
        best[i] = i == sim->dead ? 0 : sim->entries[tip].size;
    expected = settle_by_words(sim, tip, 0, best, NULL, NULL);
    for (uint32_t at = tip; at != SETTLE_NONE && last == 0; at = sim->entries[at].before)
        last = settle_can(&sim->entries[at]) ? sim->entries[at].size : 0;
    if (sim->dead == SETTLE_NODES_MAX && expected != last)
        settle_broken(sim, "what everybody signed is not settled");
    for (size_t i = 0; i < SETTLE_READERS_MAX; i++) {
        settle_tell(sim, "reader %zu at the end: %llu settled of %llu, expected %llu", i,
                    (unsigned long long)sim->readers[i].settled,
                    (unsigned long long)sim->entries[tip].size, (unsigned long long)expected);
        if (sim->readers[i].settled != expected)
            settle_broken(sim, "what could be settled is not");
    }
}
