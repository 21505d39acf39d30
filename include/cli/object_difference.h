#pragma once

/* What differs between two Kubernetes objects, for people and programs. Pure. */

#include "base/json.h"

/*
 * A copy of OBJECT with sorted keys and without what the server keeps for itself: status,
 * metadata.managedFields, resourceVersion, generation, uid, creationTimestamp, selfLink, and the
 * annotation kubectl.kubernetes.io/last-applied-configuration. NULL with an error.
 */
json_t *object_without_noise(const json_t *object, struct error **err);

/*
 * *OUT is an array of {"path", "before", "after"}, in the order of the keys: the smallest values
 * that differ. The path is a JSON Pointer (RFC 6901) into the object before, or into the object
 * after when the value is new; "" is the whole object. A value that is absent is null (Kubernetes
 * stores no nulls). Items of lists are compared by position; lists of objects with names that are
 * unique and stand in the same order are compared by name. BEFORE may be NULL: there is none.
 * Neither is changed; they are not const only because jansson's iterators are not.
 */
int object_changes(json_t **out, json_t *before, json_t *after, struct error **err);
