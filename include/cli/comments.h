#pragma once

/* YAML comments that tell where the fields of a rendered InferenceService come from. Pure. */

#include "deploy/prepare.h"

/*
 * *OUT (owned) is YAML, as yaml_from_json wrote it, with comment lines above the fields of
 * PREPARATION that a parameter, the model's card or the runtime decided. It parses to the same
 * value.
 */
int comments_add(char **out, const char *yaml, const struct preparation *preparation,
                 struct error **err);
