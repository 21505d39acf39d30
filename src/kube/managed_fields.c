#include "managed_fields_private.h"

#include "base/strings.h"
#include "base/text.h"

static const char client_side_manager[] = "kubectl-client-side-apply";
static const char last_applied[] = "kubectl.kubernetes.io/last-applied-configuration";
static const char last_applied_field[] = "f:kubectl.kubernetes.io/last-applied-configuration";

/*
 * Adds to the node INTO what FROM has; FROM's children are shared, not copied. A node without
 * children stands for the field itself; one with children stands for the field itself only when it
 * has the child ".". So a leaf that meets children must say "." from then on
 * (structured-merge-diff fieldpath/serialize.go). At the root, no children is the empty set.
 * Recursion is bounded by the nesting that json_parse allows.
 */
static int merge(json_t *into, json_t *from, bool is_root) {
    bool leaf_meets_children = (json_object_size(into) == 0) != (json_object_size(from) == 0);
    const char *key;
    json_t *child;
    json_object_foreach(from, key, child) {
        json_t *present = json_object_get(into, key);
        int result =
            present != NULL ? merge(present, child, false) : json_object_set(into, key, child);
        if (result < 0)
            return -1;
    }
    if (leaf_meets_children && !is_root)
        return json_object_set_new(into, ".", json_object());
    return 0;
}

static json_t *copy_of_set(const json_t *set) {
    return json_is_object(set) ? json_deep_copy(set) : json_object();
}

json_t *managed_fields_union(const json_t *left, const json_t *right) {
    cleanup_json json_t *joined = copy_of_set(left);
    cleanup_json json_t *added = copy_of_set(right);
    if (joined == NULL || added == NULL || merge(joined, added, true) < 0)
        return NULL;
    return steal_pointer(joined);
}

/* ---- entries ---- */

bool managed_fields_is_manager(const json_t *entry, const char *manager, const char *operation) {
    const char *subresource = json_text_at(entry, "subresource", NULL);
    return text_equal(json_text_at(entry, "manager", NULL), manager) &&
           text_equal(json_text_at(entry, "operation", NULL), operation) &&
           text_is_empty(subresource);
}

bool managed_fields_is_client_side(const json_t *entry, const char *manager) {
    const char *name = json_text_at(entry, "manager", NULL);
    if (name == NULL || !managed_fields_is_manager(entry, name, "Update"))
        return false;
    return text_equal(name, client_side_manager) || text_equal(name, manager) ||
           json_at(entry, "fieldsV1", "f:metadata", "f:annotations", last_applied_field, NULL);
}

/* Index of the first entry of MANAGER with OPERATION (and API_VERSION unless NULL), or the size. */
static size_t find(const json_t *entries, const char *manager, const char *operation,
                   const char *api_version) {
    size_t index = 0;
    for (; index < json_array_size(entries); index++) {
        const json_t *entry = json_array_get(entries, index);
        if (!managed_fields_is_manager(entry, manager, operation))
            continue;
        if (api_version == NULL || text_equal(json_text_at(entry, "apiVersion", NULL), api_version))
            break;
    }
    return index;
}

/* Adds to TARGET what the first Update entry of CLIENT_SIDE with the same apiVersion owns. */
static int join_same_version(json_t *entries, json_t *target, const char *client_side,
                             struct error **err) {
    const char *version = json_text_at(target, "apiVersion", NULL);
    size_t index = find(entries, client_side, "Update", version != NULL ? version : "");
    if (index == json_array_size(entries))
        return 0;
    const json_t *from = json_array_get(entries, index);
    return json_set_take(target, "fieldsV1",
                         managed_fields_union(json_object_get(target, "fieldsV1"),
                                              json_object_get(from, "fieldsV1")),
                         err);
}

static void drop_updates(json_t *entries, const char *client_side) {
    for (size_t i = json_array_size(entries); i > 0; i--)
        if (managed_fields_is_manager(json_array_get(entries, i - 1), client_side, "Update"))
            json_array_remove(entries, i - 1);
}

/* csaupgrade's upgradedManagedFields for one manager, in place. Newest entries come first. */
static int move_manager(json_t *entries, const char *client_side, const char *manager,
                        struct error **err) {
    size_t index = find(entries, manager, "Apply", NULL);
    if (index < json_array_size(entries)) {
        if (join_same_version(entries, json_array_get(entries, index), client_side, err) < 0)
            return -1;
        drop_updates(entries, client_side);
        return 0;
    }

    index = find(entries, client_side, "Update", NULL);
    if (index == json_array_size(entries))
        return 0;
    json_t *target = json_array_get(entries, index);
    /* the entry is its own "first of the same version": renamed, it keeps its fields */
    if (json_set_text(target, "operation", "Apply", err) < 0 ||
        json_set_text(target, "manager", manager, err) < 0 ||
        join_same_version(entries, target, client_side, err) < 0)
        return -1;
    drop_updates(entries, client_side);
    return 0;
}

static int list_client_side(struct strings *names, const json_t *entries, const char *manager,
                            struct error **err) {
    size_t index;
    const json_t *entry;
    json_array_foreach(entries, index, entry) {
        const char *name = json_text_at(entry, "manager", NULL);
        if (!managed_fields_is_client_side(entry, manager) || strings_contain(names, name))
            continue;
        if (strings_add(names, name, err) < 0)
            return -1;
    }
    return 0;
}

static int make_patch(json_t **out, json_t *entries, const json_t *live, struct error **err) {
    const char *version = json_text_at(live, "metadata", "resourceVersion", NULL);
    if (version == NULL)
        return error_new(err, ERROR_INTERNAL, "the live object has no resourceVersion");
    cleanup_json json_t *patch = json_pack(
        "[{s:s, s:s, s:O}, {s:s, s:s, s:s}]", "op", "replace", "path", "/metadata/managedFields",
        "value", entries, "op", "replace", "path", "/metadata/resourceVersion", "value", version);
    if (patch == NULL)
        return error_no_memory(err);
    *out = steal_pointer(patch);
    return 0;
}

int managed_fields_migration(json_t **out, const json_t *live, const char *manager,
                             struct error **err) {
    const json_t *before = json_at(live, "metadata", "managedFields", NULL);
    cleanup_strings struct strings names = {0};
    if (list_client_side(&names, before, manager, err) < 0)
        return -1;
    if (names.count == 0) {
        *out = NULL;
        return 0;
    }

    cleanup_json json_t *entries = json_deep_copy(before);
    if (entries == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < names.count; i++)
        if (move_manager(entries, names.items[i], manager, err) < 0)
            return -1;
    return make_patch(out, entries, live, err);
}

bool managed_fields_applied_by(const json_t *live, const char *manager) {
    const json_t *entries = json_at(live, "metadata", "managedFields", NULL);
    return find(entries, manager, "Apply", NULL) < json_array_size(entries);
}

bool managed_fields_has_last_applied(const json_t *live) {
    return json_at(live, "metadata", "annotations", last_applied, NULL) != NULL;
}
