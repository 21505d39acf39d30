#include "model/architecture.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum {
    PAGE_TOKENS = 16,
    MOST_LAYERS = 10000,
    MOST_HEADS = 100000,
    MOST_HEAD_SIZE = 100000,
    DEFAULT_LENGTH = 2048, /* vLLM's, when the configuration has none */
};

static const json_int_t MOST_LENGTH = (json_int_t)1 << 40;

/* The first of the keys that is an integer in [1, MOST]; 0 when there is none. */
static int64_t first_of(const json_t *config, const char *const *keys, int64_t most) {
    for (; *keys != NULL; keys++) {
        const json_t *value = json_object_get(config, *keys);
        if (json_is_integer(value) && json_integer_value(value) > 0 &&
            json_integer_value(value) <= most)
            return json_integer_value(value);
    }
    return 0;
}

/* True when one of the keys has something that first_of does not take (a list of one number a
 * layer). */
static bool is_odd(const json_t *config, const char *const *keys) {
    for (; *keys != NULL; keys++) {
        const json_t *value = json_object_get(config, *keys);
        if (value != NULL && !json_is_null(value) && !json_is_integer(value))
            return true;
    }
    return false;
}

#define FIRST_OF(config, most, ...)                                                                \
    first_of((config), (const char *const[]){__VA_ARGS__, NULL}, (most))

/* The language part of a multimodal model. */
static const json_t *language_part(const json_t *config) {
    static const char *const names[] = {"text_config", "llm_config", "language_config"};
    for (size_t i = 0; i < array_length(names); i++) {
        const json_t *part = json_object_get(config, names[i]);
        if (json_is_object(part))
            return part;
    }
    return config;
}

/* ---- attention ---- */

static int64_t key_value_heads(const json_t *config, int64_t heads) {
    if (json_is_true_at(config, "multi_query", NULL))
        return 1;
    int64_t given = FIRST_OF(config, MOST_HEADS, "num_key_value_heads", "n_head_kv", "num_kv_heads",
                             "multi_query_group_num");
    return given > 0 ? given : heads;
}

static bool is_encoder(const json_t *config) {
    const char *type = json_text_at(config, "model_type", NULL);
    return json_is_true_at(config, "is_encoder_decoder", NULL) || text_contains(type, "bert");
}

/* Layers whose state is of another kind than attention's. */
static bool has_other_state(const json_t *config) {
    static const char *const keys[] = {"mamba_d_state",
                                       "ssm_cfg",
                                       "ssm_state_size",
                                       "linear_num_key_heads",
                                       "linear_attn_config",
                                       "mamba_expand",
                                       "hybrid_override_pattern",
                                       "state_size",
                                       "attn_layer_indices",
                                       "attn_type_list",
                                       "block_types",
                                       "layers_block_type",
                                       "cross_attention_layers",
                                       "block_configs"};
    for (size_t i = 0; i < array_length(keys); i++)
        if (json_object_get(config, keys[i]) != NULL)
            return true;
    size_t i;
    json_t *type;
    json_array_foreach(json_object_get(config, "layer_types"), i, type) {
        const char *text = json_string_value(type);
        if (!text_equal(text, "full_attention") && !text_equal(text, "sliding_attention") &&
            !text_equal(text, "chunked_attention"))
            return true;
    }
    /* layers that use the cache of others */
    return FIRST_OF(config, MOST_LAYERS, "num_kv_shared_layers") > 0;
}

static void read_window(struct architecture *out, const json_t *config) {
    out->window = FIRST_OF(config, MOST_LENGTH, "sliding_window", "attention_chunk_size");
    const json_t *use = json_object_get(config, "use_sliding_window");
    if (json_is_false(use))
        out->window = 0;
    if (out->window == 0)
        return;
    const json_t *types = json_object_get(config, "layer_types");
    if (!json_is_array(types)) {
        /* every Nth layer sees everything; without it the window may hold for all of them */
        int64_t pattern = FIRST_OF(config, MOST_LAYERS, "sliding_window_pattern");
        out->window_layers = out->layers - (pattern > 0 ? out->layers / pattern : 0);
        return;
    }
    size_t i;
    json_t *type;
    json_array_foreach(types, i, type) {
        if (!text_equal(json_string_value(type), "full_attention"))
            out->window_layers++;
    }
    if (out->window_layers > out->layers)
        out->window_layers = out->layers;
}

static void read_attention(struct architecture *out, const json_t *config) {
    if (is_encoder(config)) {
        out->why = "an encoder keeps no cache of this kind";
        return;
    }
    if (has_other_state(config)) {
        out->why = "some layers keep another kind of state than attention";
        return;
    }
    out->why = "config.json does not have the usual numbers of layers and heads";
    out->layers =
        FIRST_OF(config, MOST_LAYERS, "num_hidden_layers", "n_layer", "num_layers", "n_layers");
    out->heads = FIRST_OF(config, MOST_HEADS, "num_attention_heads", "n_head", "n_heads");
    int64_t hidden =
        FIRST_OF(config, (int64_t)MOST_HEADS * MOST_HEAD_SIZE, "hidden_size", "n_embd", "d_model");
    int64_t rank = FIRST_OF(config, MOST_HEAD_SIZE, "kv_lora_rank");
    int64_t rope = FIRST_OF(config, MOST_HEAD_SIZE, "qk_rope_head_dim");
    out->latent = rank > 0 && rope > 0 ? rank + rope : 0;
    static const char *const numbers[] = {"num_key_value_heads", "n_head_kv", "num_kv_heads",
                                          "num_attention_heads", "head_dim",  NULL};
    if (out->layers == 0 || out->heads == 0 || is_odd(config, numbers))
        return;
    out->kv_heads = key_value_heads(config, out->heads);
    out->head_size = FIRST_OF(config, MOST_HEAD_SIZE, "head_dim");
    if (out->head_size == 0)
        out->head_size = hidden / out->heads;
    if (out->head_size == 0 && out->latent == 0)
        return;
    read_window(out, config);
    out->knows_attention = true;
    out->why = "";
}

/* ---- weights and cache elements ---- */

static void read_types(struct architecture *out, const json_t *config, const json_t *language) {
    const char *type = json_text_at(language, "torch_dtype", NULL);
    if (type == NULL)
        type = json_text_at(language, "dtype", NULL);
    if (type == NULL)
        type = json_text_at(config, "torch_dtype", NULL);
    if (type == NULL)
        type = json_text_at(config, "dtype", NULL);
    if (text_equal(type, "float32"))
        out->weight_bytes = 4;
    else if (text_equal(type, "float16") || text_equal(type, "bfloat16"))
        out->weight_bytes = 2;
    const json_t *quantization = json_object_get(config, "quantization_config");
    if (!json_is_object(quantization))
        quantization = json_object_get(language, "quantization_config");
    out->quantized = json_is_object(quantization) ||
                     json_is_object(json_object_get(config, "compression_config"));
    out->kv_is_8_bit = json_is_object(json_object_get(quantization, "kv_cache_scheme"));
}

/* ---- the longest request ---- */

/* vLLM: transformers 5 calls it rope_parameters. */
static double rope_factor(const json_t *language, int64_t *original) {
    const json_t *rope = json_object_get(language, "rope_scaling");
    if (!json_is_object(rope))
        rope = json_object_get(language, "rope_parameters");
    const char *type = json_text_at(rope, "rope_type", NULL);
    if (type == NULL)
        type = json_text_at(rope, "type", NULL);
    if (type == NULL || text_equal(type, "su") || text_equal(type, "longrope") ||
        text_equal(type, "llama3") || text_equal(type, "mrope") || text_equal(type, "default"))
        return 1;
    /* Gemma 3 writes the length that already has the factor in it */
    if (text_contains(json_text_at(language, "model_type", NULL), "gemma3"))
        return 1;
    const json_t *factor = json_object_get(rope, "factor");
    double value = json_is_number(factor) ? json_number_value(factor) : 1;
    if (!(value >= 1 && value <= 1e6))
        return 1;
    if (text_equal(type, "yarn"))
        *original = FIRST_OF(rope, MOST_LENGTH, "original_max_position_embeddings");
    return value;
}

static int64_t least_length(const json_t *language) {
    static const char *const keys[] = {
        "max_position_embeddings", "n_positions",         "max_seq_len",    "seq_length",
        "model_max_length",        "max_sequence_length", "max_seq_length", "seq_len"};
    int64_t least = 0;
    for (size_t i = 0; i < array_length(keys); i++) {
        int64_t value = FIRST_OF(language, MOST_LENGTH, keys[i]);
        if (value > 0 && (least == 0 || value < least))
            least = value;
    }
    return least;
}

/* vLLM before 0.12 takes the whole length of LongRoPE, later versions the original one. */
static int64_t least_of_long_rope(const json_t *language) {
    const json_t *rope = json_object_get(language, "rope_scaling");
    if (!json_is_object(rope))
        rope = json_object_get(language, "rope_parameters");
    const char *type = json_text_at(rope, "rope_type", NULL);
    if (type == NULL)
        type = json_text_at(rope, "type", NULL);
    if (!text_equal(type, "longrope") && !text_equal(type, "su"))
        return 0;
    return FIRST_OF(language, MOST_LENGTH, "original_max_position_embeddings");
}

static void read_length(struct architecture *out, const json_t *language, int64_t limit) {
    int64_t longest = least_length(language);
    if (longest == 0)
        longest = DEFAULT_LENGTH;
    int64_t original = 0;
    double factor = rope_factor(language, &original);
    if (original > 0)
        longest = original;
    double scaled = (double)longest * factor;
    longest = scaled < (double)MOST_LENGTH ? (int64_t)scaled : MOST_LENGTH;
    if (limit > 0 && limit < longest)
        longest = limit;
    int64_t least = least_of_long_rope(language);
    out->longest = longest;
    out->longest_least = least > 0 && least < longest ? least : longest;
}

static int parse_object(json_t **out, const char *text, struct error **err) {
    cleanup_error struct error *problem = NULL;
    cleanup_json json_t *value = NULL;
    if (text != NULL &&
        json_parse(&value, text, strlen(text), "config.json", ERROR_MODEL, &problem) < 0 &&
        (problem == NULL || problem->kind == ERROR_INTERNAL))
        return error_no_memory(err);
    *out = json_is_object(value) ? steal_pointer(value) : NULL;
    return 0;
}

int architecture_read(struct architecture *out, const char *config, int64_t tokenizer_limit,
                      struct error **err) {
    cleanup_json json_t *whole = NULL;
    if (parse_object(&whole, config, err) < 0)
        return -1;
    *out = (struct architecture){.why = "there is no config.json that can be read"};
    if (whole == NULL)
        return 0;
    const json_t *language = language_part(whole);
    read_attention(out, language);
    read_types(out, whole, language);
    read_length(out, language, tokenizer_limit);
    out->vocabulary = FIRST_OF(language, MOST_LENGTH, "vocab_size");
    return 0;
}

/* ---- arithmetic ---- */

static int64_t layer_token_bytes(const struct architecture *architecture, int64_t parallel,
                                 int element_bytes) {
    if (architecture->latent > 0)
        return architecture->latent * element_bytes;
    int64_t heads = architecture->kv_heads / (parallel > 0 ? parallel : 1);
    return 2 * (heads > 1 ? heads : 1) * architecture->head_size * element_bytes;
}

int64_t architecture_token_bytes(const struct architecture *architecture, int64_t parallel,
                                 int element_bytes) {
    if (!architecture->knows_attention)
        return 0;
    return architecture->layers * layer_token_bytes(architecture, parallel, element_bytes);
}

static int64_t whole_pages(int64_t tokens) {
    return (tokens + PAGE_TOKENS - 1) / PAGE_TOKENS * PAGE_TOKENS;
}

int64_t architecture_cache_bytes(const struct architecture *architecture, int64_t parallel,
                                 int element_bytes, int64_t length, bool least) {
    if (!architecture->knows_attention || length <= 0)
        return 0;
    int64_t layer = layer_token_bytes(architecture, parallel, element_bytes);
    int64_t windowed = least ? architecture->window_layers : 0;
    int64_t window = architecture->window < length ? architecture->window : length;
    __int128 bytes = (__int128)(architecture->layers - windowed) * layer * whole_pages(length) +
                     (__int128)windowed * layer * whole_pages(window);
    return bytes < INT64_MAX ? (int64_t)bytes : INT64_MAX;
}
