#pragma once

/*
 * Server-side apply with our own field manager, safe over objects that `kubectl apply` wrote.
 * Sources: Kubernetes "Server-Side Apply"; KEP-555; client-go util/csaupgrade; kubectl
 * pkg/cmd/apply (migrateToSSAIfNecessary); apiserver endpoints/handlers/patch.go.
 */

#include "kube/client.h"
#include "kube/managed_fields.h"

struct kube_apply {
    const struct kube_resource *resource;
    const char *namespace_;
    const char *name;
    const json_t *document; /* whole object with apiVersion, kind, metadata.name */
    const json_t *live;     /* the object as just read, or NULL when it was absent */
    /* Of the list that showed it absent; NULL: it is listed first. */
    const char *list_resource_version;
    const char *manager; /* field manager */
    bool create_only;    /* refuse when it exists (also when it appears meanwhile) */
    bool exact;          /* only over LIVE as it was read: any write since is ERROR_CONFLICT */
    bool dry_run;        /* the server answers as if, and stores nothing */
    /*
     * JSON patch operations that must go with the migration of managedFields, or NULL: KServe 0.16
     * denies every update that leaves a RawDeployment annotation against a Standard status.
     */
    const json_t *migration_operations;
};

struct kube_applied {
    json_t *object; /* as the server answered; owned */
    bool created;
    bool changed;            /* created, or it differs from LIVE in more than status and versions */
    bool migrated;           /* client-side apply's managed fields were taken over */
    struct strings warnings; /* of all requests that were sent, each once */
};

/*
 * Applies. When client-side apply owns fields of LIVE, they are first moved to MANAGER (see
 * managed_fields_migration), so that fields dropped from DOCUMENT disappear and fields of other
 * managers stay. A dry run moves nothing; its answer is pruned here of what the move would have let
 * go.
 *
 * Preconditions: with LIVE, its uid is sent, so that a deleted object is not re-created and another
 * object of that name is not touched (ERROR_CONFLICT, both). No resourceVersion, but with EXACT: a
 * controller that writes the status meanwhile is no reason to fail. Absent: created only if still
 * absent, by the list's resourceVersion; when it appeared meanwhile it is updated, or with
 * create_only ERROR_CONFLICT with reason AlreadyExists.
 *
 * Conflicts with MANAGER itself and with kubectl's writers of whole manifests are forced, each when
 * it was seen (a later attempt does not force by itself); with any other manager ERROR_CONFLICT
 * names managers and fields, with a hint. A stale resourceVersion
 * is re-read and tried again up to 5 times. After a broken connection, 502, 503 or 504 the object
 * is read and compared before anything is written again, up to 5 times. "failed calling webhook"
 * (500) is retried until the deadline (without one: 2 min); "denied the request" is not, whatever
 * the status. Unknown fields are refused (fieldValidation=Strict, and by the schema).
 *
 * DEADLINE_MS: monotonic, 0 = none; passed while trying again: ERROR_DEADLINE with the last cause.
 * OUT is filled on success only.
 */
int kube_apply(struct kube_applied *out, struct kube_client *client, const struct kube_apply *apply,
               int64_t deadline_ms, struct error **err);
void kube_applied_free(struct kube_applied *applied);
