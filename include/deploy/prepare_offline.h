#pragma once

/* What prepare() does, without any server: for `render --offline`. */

#include "deploy/prepare.h"

/*
 * Fills OUT as prepare() does, from CONTEXT's inputs alone (its session is not used). RUNTIMES is
 * an array of ClusterServingRuntimes that stands for the cluster's; KSERVE for the probe. The
 * inputs must be checked with offline_check. Nothing is known of a live object, GitLab's project id
 * or a branch; of "group/repo" the first meaning is taken. Errors as of plan_make and render.
 */
int prepare_offline(struct preparation *out, const struct prepare_context *context,
                    json_t *runtimes, enum kserve_generation kserve, struct error **err);

/* Adds a problem for everything that a server would have told and no parameter does. -1 only when
 * out of memory. */
int offline_check(const struct inputs *inputs, struct problems *problems, struct error **err);

/*
 * *OUT is an array of the runtimes in TEXT: YAML or JSON of one ClusterServingRuntime or
 * ServingRuntime, or of a List of them. ERROR_PARAMETER names WHAT. Pure.
 */
int offline_runtimes(json_t **out, const char *text, size_t length, const char *what,
                     struct error **err);

/* The generation that a version such as "0.15", "v0.16.1" has. False for anything else. Pure. */
bool offline_kserve(enum kserve_generation *out, const char *version);

/* False for a version that offline_kserve takes but no test of this project runs. Pure. */
bool offline_kserve_is_tested(const char *version);

/*
 * ERROR_RUNTIME when RUNTIMES, read from WHAT, have none named RUNTIME_NAME or of RUNTIME_CLASS,
 * with those that there are: runtime_choose would speak of the cluster. Pure.
 */
int offline_find_runtime(const json_t *runtimes, const struct inputs *inputs, const char *what,
                         struct error **err);
