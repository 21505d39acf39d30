/* What an apply would remove, worked out here for dry runs. */
#include "managed_fields_private.h"

#include "base/text.h"

#include <string.h>

/* ---- path elements (structured-merge-diff fieldpath/serialize-pe.go) ---- */

static bool has_all(const json_t *item, json_t *keys) {
    const char *key;
    json_t *value;
    json_object_foreach(keys, key, value) {
        if (json_equal(json_object_get(item, key), value) != 1)
            return false;
    }
    return json_object_size(keys) > 0;
}

/* Index of the item that "k:{...}" or "v:..." means in LIST, or its size. */
static size_t find_item(const json_t *list, const char *element) {
    cleanup_json json_t *wanted = json_loads(element + 2, JSON_DECODE_ANY, NULL);
    bool by_key = element[0] == 'k';
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item) {
        if (by_key ? has_all(item, wanted) : json_equal(item, wanted) == 1)
            break;
    }
    return index;
}

static bool is_element(const char *element, char type) {
    return element[0] == type && element[1] == ':';
}

static json_t *child_of(const json_t *value, const char *element) {
    if (is_element(element, 'f'))
        return json_object_get(value, element + 2);
    if (is_element(element, 'k') || is_element(element, 'v'))
        return json_array_get(value, find_item(value, element));
    return NULL; /* by index: such lists are not merged */
}

static void remove_child(json_t *value, const char *element) {
    if (is_element(element, 'f'))
        json_object_del(value, element + 2);
    else if (json_is_array(value))
        json_array_remove(value, find_item(value, element));
}

/* ---- pruning ---- */

/* True when a set owns the field itself and not only fields below it. */
static bool owns_itself(const json_t *set) {
    return json_is_object(set) && (json_object_size(set) == 0 || json_object_get(set, ".") != NULL);
}

/* Recursion is bounded by the nesting that json_parse allows. */
static void prune(json_t *value, const json_t *wanted, json_t *mine, const json_t *theirs) {
    const char *element;
    json_t *owned;
    json_object_foreach(mine, element, owned) {
        json_t *child = child_of(value, element);
        const json_t *kept = child_of(wanted, element);
        const json_t *others = json_object_get(theirs, element);
        if (child == NULL || text_equal(element, "."))
            continue;
        if (kept == NULL && others == NULL && owns_itself(owned))
            remove_child(value, element);
        else
            prune(child, kept, owned, others);
    }
}

/* Joins what ENTRY owns into *SET. */
static int join(json_t **set, const json_t *entry) {
    json_t *joined = managed_fields_union(*set, json_object_get(entry, "fieldsV1"));
    if (joined == NULL)
        return -1;
    json_decref(*set);
    *set = joined;
    return 0;
}

int managed_fields_prune(json_t *object, const json_t *document, const json_t *live,
                         const char *manager, struct error **err) {
    cleanup_json json_t *mine = json_object();
    cleanup_json json_t *theirs = json_object();
    size_t index;
    const json_t *entry;
    json_array_foreach(json_at(live, "metadata", "managedFields", NULL), index, entry) {
        bool is_mine = managed_fields_is_client_side(entry, manager) ||
                       managed_fields_is_manager(entry, manager, "Apply");
        if (join(is_mine ? &mine : &theirs, entry) < 0)
            return error_no_memory(err);
    }
    if (mine == NULL || theirs == NULL)
        return error_no_memory(err);
    prune(object, document, mine, theirs);
    return 0;
}
