/*
 * The audit of a repository: every signature, chain, kind, payload hash, batch, root
 * and checkpoint of the main log and of each intake log, verified from nothing but the
 * repository, on all cores. What `hark audit` runs and prints. PROTOCOL.md 3 to 7.
 */
#ifndef HARK_NODE_AUDIT_H
#define HARK_NODE_AUDIT_H

#include "node/pool.h"
#include "node/repo.h"
#include "schemas/payload.h"
#include "schemas/state.h"

/* Exit codes of the contract: the worst wins. */
enum hark_audit_verdict {
    HARK_AUDIT_WELL = 0,
    HARK_AUDIT_UNSETTLED = 10, /* unsettled, unacknowledged, overdue */
    HARK_AUDIT_HOME = 11,      /* the home's fault */
    HARK_AUDIT_PARTNER = 12,   /* another node's */
    HARK_AUDIT_UNREADABLE = 13,
};

/* Audits the bare repository at `path` at the auditor's time now_ms. *json (owned by
 * the caller) is the whole of "hark/audit/1" and *verdict its exit code, also when
 * what is audited is broken; an error only means that the audit could not be run. */
HARK_CHECK int hark_audit(const char *path, struct hark_pool *pool, uint64_t now_ms, json_t **json,
                          enum hark_audit_verdict *verdict, struct hark_err *err);

#endif
