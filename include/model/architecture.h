#pragma once

/*
 * What a model's config.json says about the memory that serving takes. Pure. Sources: transformers
 * configuration classes; vllm config/model.py (_get_and_verify_max_len, get_total_num_kv_heads,
 * get_head_size), v1/kv_cache_interface.py.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct architecture {
    bool knows_attention; /* the numbers of the next five lines were found and are sensible */
    int64_t layers;
    int64_t heads;
    int64_t kv_heads; /* key/value heads of a layer */
    int64_t head_size;
    int64_t latent;        /* multi-head latent attention: elements of a token and layer; else 0 */
    int64_t window;        /* sliding window or attention chunk in tokens; 0: none */
    int64_t window_layers; /* layers that the window may hold for (the rest sees everything) */
    int64_t vocabulary;    /* 0: unknown */
    int64_t longest;       /* tokens that vLLM derives as maximum length; 0: unknown */
    int64_t longest_least; /* the same where versions of vLLM differ: the smaller one */
    int weight_bytes;      /* of an element as stored: 4 for float32, else 2; 0: unknown */
    bool quantized;        /* the files hold a quantized model */
    bool kv_is_8_bit;      /* the checkpoint asks for an 8-bit KV cache */
    const char *why;       /* why attention is not known: a constant; "" when it is */
};

/*
 * Reads config.json (NULL: there is none); TOKENIZER_LIMIT is the tokenizer's model_max_length (0:
 * none). What is missing or senseless stays unknown: nothing here is an error but a lack of memory.
 */
int architecture_read(struct architecture *out, const char *config, int64_t tokenizer_limit,
                      struct error **err);

/*
 * Bytes of KV cache that one token takes on one card, over all layers. PARALLEL: cards that share
 * the heads (at least one head stays on each; a latent is not shared). 0 when attention is not
 * known.
 */
int64_t architecture_token_bytes(const struct architecture *architecture, int64_t parallel,
                                 int element_bytes);

/*
 * Bytes of KV cache for one request of LENGTH tokens on one card, in pages of 16 tokens. LEAST
 * counts windows as the least they can cost, the result without it counts every layer in full.
 */
int64_t architecture_cache_bytes(const struct architecture *architecture, int64_t parallel,
                                 int element_bytes, int64_t length, bool least);
