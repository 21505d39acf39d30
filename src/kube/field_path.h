#pragma once

/* Private to src/kube and its tests: paths of structured-merge-diff, as conflicts name fields. */

#include "base/json.h"

/*
 * The value at PATH in OBJECT, or NULL: `.spec.env[name="A"].valueFrom`, `.items[2]`,
 * `.finalizers["x"]`. A key may hold dots and brackets (annotations): the longest key of OBJECT
 * that fits is taken. Source: structured-merge-diff fieldpath/path.go and element.go, String().
 */
const json_t *field_path_at(const json_t *object, const char *path);
