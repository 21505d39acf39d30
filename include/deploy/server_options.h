#pragma once

/*
 * What a serving runtime tells vLLM on its command line, as far as it can be read: the command may
 * be a shell script, and values may come from the environment. Pure. Source: vllm
 * engine/arg_utils.py (names), KServe (env of the InferenceService wins over the runtime's).
 */

#include "deploy/inputs.h"

#include <jansson.h>

struct server_options {
    bool is_vllm;             /* the runtime starts vLLM */
    double utilization;       /* --gpu-memory-utilization; 0: not given or not readable */
    int64_t longest;          /* --max-model-len; 0: not given */
    int64_t parallel;         /* --tensor-parallel-size; 0: not given */
    bool parallel_unclear;    /* given, but not as a number: mostly the number of cards */
    bool length_unclear;      /* given, but not as a number (also "auto") */
    char length_variable[64]; /* variable of the environment that gives it; "" when none does */
    int cache_bytes;          /* of a KV element by --kv-cache-dtype; 0: the model's */
    bool quantizes;           /* --quantization: weights that are not quantized shrink on load */
    const char *unusual; /* an option that changes the arithmetic ("--cpu-offload-gb"); or NULL */
};

/* RUNTIME may be NULL: nothing is known. -1 only without memory. */
int server_options_read(struct server_options *out, const json_t *runtime,
                        const struct inputs *inputs, struct error **err);
