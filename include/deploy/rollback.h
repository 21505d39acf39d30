#pragma once

/* ON_FAILURE=rollback: the spec that was live before this run, applied again. */

#include "deploy/render.h"
#include "kube/apply.h"

/*
 * The document that brings back BEFORE (the live object as read before the apply): its spec, labels
 * and annotations, without what servers write (status, managedFields, kubectl's annotation). Pure.
 */
int rollback_document(json_t **out, const json_t *before, struct error **err);

/*
 * True when NOW still is what this run applied: same uid, our content hash, same generation. Else
 * somebody else changed it, and it is theirs. Pure.
 */
bool rollback_is_safe(const json_t *now, const json_t *applied, const char *content_hash);
