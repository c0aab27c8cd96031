/*
 * A log as static files that any web server can serve: C2SP tlog-tiles, with the
 * checkpoint of C2SP tlog-checkpoint. PROTOCOL.md 7.9.
 *
 *     DIR/checkpoint                 the newest checkpoint, a signed note
 *     DIR/tile/<L>/<N>[.p/<W>]       hashes: of leaves at level 0, above it of full tiles
 *     DIR/tile/entries/<N>[.p/<W>]   leaves, each as u16 length ‖ leaf
 *
 * 256 hashes or leaves to a file, fewer (W) in the last one of a level, which is partial.
 *
 * DIR may be served all the while, and the next export goes on where this one ended. So
 * the checkpoint moves when all that it covers is durable, each file appears whole under
 * its name, and what DIR holds is told from what it lacks by its checkpoint: a tile whose
 * entries are all below that size is there and left alone when it is a file of its full
 * length (which its place gives: all leaves are of one size). Of what lies beyond, an
 * export that was cut short may have left files that no checkpoint ever covered; one with
 * other bytes than the log gives is replaced. Partial tiles are kept until the full tile
 * stands and the checkpoint has moved past it, so that whoever has read the old checkpoint
 * finds the tiles it needs.
 */
#ifndef HARK_NODE_TILES_H
#define HARK_NODE_TILES_H

#include "crypto/note.h"
#include "node/space.h"

#define HARK_TILE_WIDTH      256u
#define HARK_TILES_ENTRIES   64u /* as a level: the entries; the tree's are 0 to 63 */
#define HARK_TILES_PATH_SIZE 64u

/* A tile's path below DIR: index in groups of three digits, all but the last after an
 * "x"; width 1 to 256, below 256 a partial tile's. */
void hark_tiles_path(char out[HARK_TILES_PATH_SIZE], unsigned level, uint64_t index,
                     unsigned width);

/* What is at such a path, in a log of `size` entries; false: nothing. A partial tile of any
 * width that the log has reached is there, as one was that an earlier checkpoint needs. */
struct hark_tile {
    unsigned level;
    uint64_t index;
    unsigned width;
};
bool hark_tiles_find(const char *path, uint64_t size, struct hark_tile *out);

/* The log that is written. It does not change meanwhile. */
struct hark_tiles_log {
    const struct hark_hash *space;
    struct hark_span checkpoint; /* a signed note: its size is the log's */
    hark_merkle_read_fn *read;   /* asked for levels 0, 8, 16 … */
    int (*line)(void *arg, uint64_t position, struct hark_line *out, struct hark_err *err);
    void *arg; /* of both */
};

/* A space's main log. hark_index_view keeps it from changing. */
struct hark_tiles_log hark_tiles_log_of(struct hark_space *space, struct hark_span checkpoint);

/* Appends what is in a tile that the log has. (The checkpoint is not looked at.) Errors:
 * damaged (entries that are not the tree's), those of read and line. */
HARK_CHECK int hark_tiles_make(const struct hark_tiles_log *log, const struct hark_tile *tile,
                               struct hark_buf *out, struct hark_err *err);

struct hark_tiles_written {
    struct hark_checkpoint checkpoint;
    uint64_t tiles, bundles; /* files that are new, of hashes and of entries */
};

/* Brings DIR, which is made if need be, up to the log. Needs memory for one tile. Errors:
 * exists (DIR is another log's, or holds a history that an earlier incarnation of this one
 * lost), behind (DIR's checkpoint is of more entries than the log has), peer-fork (one that
 * this origin signed has another root), note-form, checkpoint-form (DIR/checkpoint is
 * none), after all of which nothing in DIR has changed; busy (another export writes there);
 * damaged (the log's own tree, lines and checkpoint do not fit together); io, disk-full,
 * io-permission; those of read and line. */
HARK_CHECK int hark_tiles_write(const char *dir, const struct hark_tiles_log *log,
                                struct hark_tiles_written *out, struct hark_err *err);

#endif
