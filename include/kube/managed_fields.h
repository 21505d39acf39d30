#pragma once

/*
 * Who owns which field: metadata.managedFields, and moving what client-side apply owns to a manager
 * of server-side apply. Pure.
 * Sources: structured-merge-diff fieldpath/serialize.go; client-go util/csaupgrade/upgrade.go;
 * kubectl pkg/cmd/apply/apply.go (migrateToSSAIfNecessary).
 */

#include "base/json.h"

/*
 * The JSON patch (array, owned) that moves to MANAGER (operation Apply) what client-side apply owns
 * in LIVE, or *OUT = NULL when there is nothing to move. Afterwards an apply that leaves a field
 * out removes it, as `kubectl apply` would have; before, it would stay for ever (kubernetes issue
 * 99003).
 *
 * Moved are the entries with operation Update and no subresource of managers that own the
 * annotation kubectl.kubernetes.io/last-applied-configuration (whatever their name:
 * kubectl-client-side-apply, kubectl of old, before-first-apply), of kubectl-client-side-apply, and
 * of MANAGER itself (an earlier create or patch of ours). Entries are joined exactly as csaupgrade
 * does; those of others and of subresources stay as they are.
 *
 * The patch replaces metadata.managedFields and metadata.resourceVersion ("replace", so that a
 * writer in between makes it a 409 and not a 422). LIVE is untouched.
 */
int managed_fields_migration(json_t **out, const json_t *live, const char *manager,
                             struct error **err);

/*
 * Removes from OBJECT, the answer to a dry run of applying DOCUMENT over LIVE, what that apply
 * would remove after managed_fields_migration: the fields that client-side apply or MANAGER own,
 * that DOCUMENT leaves out, and that nobody else owns. (A dry run stores no migration, so the
 * server cannot do it.)
 */
int managed_fields_prune(json_t *object, const json_t *document, const json_t *live,
                         const char *manager, struct error **err);

/* Union of two fieldsV1 sets: a new object. NULL when out of memory. */
json_t *managed_fields_union(const json_t *left, const json_t *right);

/* True when MANAGER owns anything in LIVE by Apply. */
bool managed_fields_applied_by(const json_t *live, const char *manager);

/* True when LIVE still carries what `kubectl apply` notes down about its last input. */
bool managed_fields_has_last_applied(const json_t *live);
