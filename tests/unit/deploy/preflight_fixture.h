#pragma once

/* What the tests of preflight's pure checks share. */

#include "../cmocka_all.h"

#include "preflight_internal.h"

/* A pod of one container as the drop-in Pipeline's defaults make it: 1..4 CPU, 4..16 GiB, 10 GiB of
 * ephemeral storage, HAMi's 1 card, 50 cores, 4096 MiB. */
struct pod_fixture {
    struct inputs inputs;
    json_t *containers;
    json_t *runtime;
    struct pod_plan plan;
    struct checks checks;
};

void pod_fixture_init(struct pod_fixture *pod);
void pod_fixture_free(struct pod_fixture *pod);

#define cleanup_pod cleanup(pod_fixture_free)

/* Sets one amount of the container: pod_set(&pod, "limits", "cpu", NULL) removes it. */
void pod_set(struct pod_fixture *pod, const char *side, const char *resource, const char *amount);

/* Replaces live object or runtime by JSON with ' for ". */
void pod_set_runtime(struct pod_fixture *pod, const char *json);

/* Forgets the findings. */
void pod_clear(struct pod_fixture *pod);

/* The only finding has this state and its message and hint hold these texts (NULL: any). */
void assert_found(const struct checks *checks, enum check_state state, const char *message,
                  const char *hint);
/* One of several findings. */
void assert_among(const struct checks *checks, enum check_state state, const char *message,
                  const char *hint);
