#pragma once

/*
 * From a machine's text to a sentence: const tables of text patterns, one a domain. Pure. The
 * sentences are for people who do not know Kubernetes; hints name parameters of this tool.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum diagnosis_weight {
    DIAGNOSIS_PASSING,    /* may pass by itself: patience */
    DIAGNOSIS_PERSISTENT, /* ends the run when it repeats or lasts */
    DIAGNOSIS_DECIDED, /* the text is final: repeating will not help, but it must have repeated once
                        */
    DIAGNOSIS_FINAL,   /* cannot succeed */
};

/*
 * One row: matches when TEXT holds each of ALL, one of ANY (if there are any) and not NONE; case
 * does not matter. CAUSE and HINT are templates: "{name}" is replaced by the value of that name,
 * "{name|other words}" by "other words" when the value is missing or "". A row with no patterns
 * matches everything (the last of a table).
 */
struct diagnosis_rule {
    const char *all[3];
    const char *any[20];
    const char *none;
    enum diagnosis_weight weight;
    const char *reason;
    const char *cause;
    const char *hint;
};

struct diagnosis_value {
    const char *name;
    const char *value; /* NULL and "" count as missing */
};

struct diagnosis {
    enum diagnosis_weight weight;
    const char *reason; /* of a table or the caller: never freed */
    char *cause;
    char *hint;
    char *own_reason; /* owned when the reason is no constant (then REASON points here) */
};

void diagnosis_free(struct diagnosis *diagnosis);

/* The first row that matches, or NULL. TEXT may be NULL (matches only a row without patterns). */
const struct diagnosis_rule *diagnose_match(const struct diagnosis_rule *rules, size_t count,
                                            const char *text);

/* Where in TEXT the pattern is that RULE matched by; NULL when it has none. */
const char *diagnose_place(const struct diagnosis_rule *rule, const char *text);

/* Fills OUT from a row. The values are redacted, made printable and cut to 400 bytes each. */
int diagnose_fill(struct diagnosis *out, const struct diagnosis_rule *rule,
                  const struct diagnosis_value *values, size_t count, struct error **err);

/* Expands one template; owned text. A value's own full stop does not double the template's. */
char *diagnose_expand(const char *template_, const struct diagnosis_value *values, size_t count,
                      struct error **err);

/* ---- the tables ---- */

extern const struct diagnosis_rule diagnose_image[]; /* image pull texts */
extern const size_t diagnose_image_count;
extern const struct diagnosis_rule diagnose_storage[]; /* storage-initializer logs and messages */
extern const size_t diagnose_storage_count;
extern const struct diagnosis_rule diagnose_server[]; /* model server logs: CUDA, vLLM, Python */
extern const size_t diagnose_server_count;
extern const struct diagnosis_rule
    diagnose_start[]; /* a container that cannot be made or started */
extern const size_t diagnose_start_count;
extern const struct diagnosis_rule
    diagnose_admission[]; /* pods refused by admission, quota, webhooks */
extern const size_t diagnose_admission_count;
extern const struct diagnosis_rule diagnose_mount[]; /* FailedMount, FailedAttachVolume, sandbox */
extern const size_t diagnose_mount_count;
extern const struct diagnosis_rule
    diagnose_ended[]; /* status.reason and message of a pod that ended */
extern const size_t diagnose_ended_count;
extern const struct diagnosis_rule
    diagnose_volume[]; /* scheduler texts about PersistentVolumeClaims */
extern const size_t diagnose_volume_count;
extern const struct diagnosis_rule diagnose_spec[]; /* InvalidSpec: lastFailureInfo.reason */
extern const size_t diagnose_spec_count;
extern const struct diagnosis_rule diagnose_reconcile[]; /* what KServe's controller could not do */
extern const size_t diagnose_reconcile_count;
extern const struct diagnosis_rule diagnose_scheduling[]; /* after parsing: by what is short */
extern const size_t diagnose_scheduling_count;
extern const struct diagnosis_rule diagnose_exit[]; /* "exit 137" and the like */
extern const size_t diagnose_exit_count;
extern const struct diagnosis_rule diagnose_own[]; /* our own findings, by reason */
extern const size_t diagnose_own_count;
