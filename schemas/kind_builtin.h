/*
 * The built-in kinds as bytes, in byte order of their names: generated from
 * schemas/kinds/ by schemas/embed.cmake when the program is built.
 */
#ifndef HARK_SCHEMAS_KIND_BUILTIN_H
#define HARK_SCHEMAS_KIND_BUILTIN_H

#include <stddef.h>
#include <stdint.h>

struct hark_kind_file {
    const char *name; /* "<kind>.yaml" */
    const uint8_t *data;
    size_t size;
};

extern const struct hark_kind_file hark_kind_builtin_files[];
extern const size_t hark_kind_builtin_count;

#endif
