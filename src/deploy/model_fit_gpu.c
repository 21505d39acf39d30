#include "model_fit_internal.h"

#include "base/text.h"
#include "deploy/quantity.h"

#include <string.h>

enum { PAGE_TOKENS = 16 };

static const int64_t MIB = (int64_t)1 << 20;
static const int64_t GIB = (int64_t)1 << 30;

/* ---- numbers ---- */

struct gpu_need gpu_need(int64_t weights, int64_t parallel, int64_t card_bytes,
                         double utilization) {
    bool known = utilization > 0 && utilization <= 1;
    int64_t share = weights / (parallel > 0 ? parallel : 1);
    return (struct gpu_need){
        .weights = share,
        .overhead_least = GIB * 8 / 10,
        .overhead_most = GIB * 23 / 10 + share / 20 + (parallel > 1 ? GIB * 18 / 10 : 0),
        .budget_least = (int64_t)((double)card_bytes * (known ? utilization : 0.9)),
        .budget_most = (int64_t)((double)card_bytes * (known ? utilization : 0.95)),
    };
}

int64_t gpu_longest(int64_t room, int64_t token_bytes) {
    return room > 0 && token_bytes > 0 ? room / token_bytes / PAGE_TOKENS * PAGE_TOKENS : 0;
}

/* float32 is loaded in 16 bits (vLLM's --dtype auto and half alike). */
static int64_t bytes_when_loaded(const struct fit *fit) {
    const struct architecture *architecture = &fit->architecture;
    bool halved = architecture->weight_bytes == 4 && !architecture->quantized &&
                  !text_equal(fit->weights.format, "gguf");
    return halved ? fit->weights.bytes / 2 : fit->weights.bytes;
}

static int64_t card_bytes(const struct fit *fit) {
    const struct inputs *inputs = fit->request->inputs;
    int64_t mib = 0;
    bool hami = inputs->nvidia_gpu[0] == '\0';
    if (hami && text_to_integer(inputs->gpu_memory, 1, INT32_MAX, &mib))
        return mib * MIB;
    return fit->request->card_bytes;
}

/* Where the memory of a card comes from, for hints. */
static bool may_raise_memory(const struct fit *fit) {
    const struct inputs *inputs = fit->request->inputs;
    return inputs->nvidia_gpu[0] == '\0' && inputs->gpu_memory[0] != '\0';
}

/* ---- splitting ---- */

static int64_t choose_parallel(const struct fit *fit) {
    if (fit->server.parallel > 0)
        return fit->server.parallel;
    return fit->server.parallel_unclear ? fit->cards : 1;
}

static const char *cards_parameter(const struct fit *fit) {
    return fit->request->inputs->nvidia_gpu[0] != '\0' ? "NVIDIA_GPU" : "NVIDIA_GPUALLOC";
}

/* The largest number of cards up to MOST that divides HEADS. */
static int64_t divisor(int64_t heads, int64_t most) {
    for (int64_t cards = most; cards > 1; cards--)
        if (heads % cards == 0)
            return cards;
    return 1;
}

static int fit_parallel(struct fit *fit, struct error **err) {
    const struct architecture *architecture = &fit->architecture;
    long long cards = (long long)fit->cards;
    long long parallel = (long long)fit->parallel;
    const char *parameter = cards_parameter(fit);
    if (parallel > cards)
        return fit_add(fit, FIT_PARALLEL, FIT_FAILS,
                       text_format(err,
                                   "the runtime splits the model over %lld cards "
                                   "(--tensor-parallel-size), but %s is %lld",
                                   parallel, parameter, cards),
                       text_format(err, "set %s=%lld", parameter, parallel), err);
    if (architecture->knows_attention && architecture->heads % fit->parallel != 0)
        return fit_add(fit, FIT_PARALLEL, FIT_FAILS,
                       text_format(err,
                                   "the model's %lld attention heads cannot be split over %lld "
                                   "cards: vLLM refuses to start",
                                   (long long)architecture->heads, parallel),
                       text_format(err, "set %s=%lld", parameter,
                                   (long long)divisor(architecture->heads, fit->parallel)),
                       err);
    if (parallel < cards)
        return fit_add(fit, FIT_PARALLEL, FIT_TIGHT,
                       text_format(err,
                                   "%s is %lld, but the runtime uses %lld (no "
                                   "--tensor-parallel-size for the rest)",
                                   parameter, cards, parallel),
                       text_format(err, "set %s=%lld, or let the runtime split the model",
                                   parameter, parallel),
                       err);
    if (parallel == 1)
        return 0;
    int64_t shared = architecture->kv_heads;
    bool uneven = architecture->knows_attention && architecture->latent == 0 &&
                  (shared >= fit->parallel ? shared % fit->parallel : fit->parallel % shared) != 0;
    if (uneven)
        return fit_add(fit, FIT_PARALLEL, FIT_TIGHT,
                       text_format(err, "%lld key-value heads do not divide evenly over %lld cards",
                                   (long long)shared, parallel),
                       text_copy("most models then refuse to start; use 2, 4 or 8 cards", err),
                       err);
    return fit_add(fit, FIT_PARALLEL, FIT_FITS,
                   text_format(err, "the model splits over %lld cards", parallel), NULL, err);
}

/* ---- weights ---- */

/* "set NVIDIA_GPUMEM=20480 or more": what surely suffices for WANTED bytes of weights and cache. */
static char *advise_memory(const struct fit *fit, const struct gpu_need *need, int64_t cache,
                           struct error **err) {
    double utilization = fit->server.utilization > 0 ? fit->server.utilization : 0.9;
    double wanted = (double)(need->weights + need->overhead_most + cache) / utilization;
    long long mib = (long long)(wanted / (double)MIB) + 1;
    if (may_raise_memory(fit))
        return text_format(err, "set NVIDIA_GPUMEM=%lld (MiB a card), or use more cards", mib);
    return text_format(err, "use cards with %lld MiB or more, or more of them", mib);
}

static int fit_weights(struct fit *fit, const struct gpu_need *need, bool *fails,
                       struct error **err) {
    char weights[QUANTITY_SIZE];
    char budget[QUANTITY_SIZE];
    quantity_format_bytes(weights, need->weights);
    quantity_format_bytes(budget, need->budget_most);
    const char *of_card = fit->parallel > 1 ? " on each card" : "";
    if (need->weights + need->overhead_least > need->budget_most) {
        *fails = true;
        return fit_add(fit, FIT_WEIGHTS, FIT_FAILS,
                       text_format(err,
                                   "the weights take %s%s, and vLLM needs 0.8 GiB or more beside "
                                   "them, but may use only %s",
                                   weights, of_card, budget),
                       advise_memory(fit, need, 0, err), err);
    }
    if (fit->weights.unknown > 0)
        return fit_add(
            fit, FIT_WEIGHTS, FIT_UNKNOWN,
            text_format(err, "the sizes of %zu weight files are not known", fit->weights.unknown),
            NULL, err);
    if (need->weights + need->overhead_most > need->budget_least)
        return fit_add(fit, FIT_WEIGHTS, FIT_TIGHT,
                       text_format(err,
                                   "the weights take %s%s of the %s that vLLM may use: what it "
                                   "needs beside them may not fit",
                                   weights, of_card, budget),
                       advise_memory(fit, need, 0, err), err);
    return fit_add(
        fit, FIT_WEIGHTS, FIT_FITS,
        text_format(err, "%s of weights%s fit the %s that vLLM may use", weights, of_card, budget),
        NULL, err);
}

/* ---- context ---- */

static char *advise_length(const struct fit *fit, const struct gpu_need *need, int64_t cache,
                           int64_t longest, struct error **err) {
    cleanup_free char *memory = advise_memory(fit, need, cache, err);
    if (memory == NULL)
        return NULL;
    if (longest < PAGE_TOKENS)
        return text_copy(memory, err);
    return text_format(err, "let the runtime pass --max-model-len %lld or less; or %s",
                       (long long)longest, memory);
}

static int judge_context(struct fit *fit, const struct gpu_need *need, int64_t length,
                         struct error **err) {
    const struct architecture *architecture = &fit->architecture;
    int element = fit->server.cache_bytes > 0 ? fit->server.cache_bytes
                  : architecture->kv_is_8_bit ? 1
                                              : 2;
    int64_t least = architecture_cache_bytes(architecture, fit->parallel, element, length, true);
    int64_t most = architecture_cache_bytes(architecture, fit->parallel, element, length, false);
    int64_t token = architecture_token_bytes(architecture, fit->parallel, element);
    int64_t room_most = need->budget_most - need->weights - need->overhead_least;
    int64_t room_least = need->budget_least - need->weights - need->overhead_most;
    int64_t longest = gpu_longest(room_least, token);
    fit->report->token_bytes = token;
    fit->report->length = length;
    fit->report->length_that_fits = longest < length ? longest : length;

    char wanted[QUANTITY_SIZE];
    char room[QUANTITY_SIZE];
    const char *whose = fit->server.longest > 0 ? "--max-model-len" : "the model's maximum";
    if (least > room_most)
        return fit_add(fit, FIT_CONTEXT, FIT_FAILS,
                       text_format(err,
                                   "one request of %lld tokens (%s) needs %s of KV cache, but at "
                                   "most %s remain beside the weights: vLLM refuses to start",
                                   (long long)length, whose, quantity_format_bytes(wanted, least),
                                   quantity_format_bytes(room, room_most > 0 ? room_most : 0)),
                       advise_length(fit, need, most, longest, err), err);
    if (most > room_least)
        return fit_add(fit, FIT_CONTEXT, FIT_TIGHT,
                       text_format(err,
                                   "one request of %lld tokens (%s) needs %s of KV cache; between "
                                   "%s and what vLLM's version leaves remain",
                                   (long long)length, whose, quantity_format_bytes(wanted, most),
                                   quantity_format_bytes(room, room_least > 0 ? room_least : 0)),
                       advise_length(fit, need, most, longest, err), err);
    return fit_add(fit, FIT_CONTEXT, FIT_FITS,
                   text_format(err, "%s of KV cache for one request of %lld tokens (%s) fit",
                               quantity_format_bytes(wanted, most), (long long)length, whose),
                   NULL, err);
}

static int fit_context(struct fit *fit, const struct gpu_need *need, struct error **err) {
    const struct architecture *architecture = &fit->architecture;
    int64_t length = fit->server.longest > 0 ? fit->server.longest : architecture->longest;
    const char *why = !architecture->knows_attention ? architecture->why
                      : fit->server.length_unclear   ? "--max-model-len is no plain number"
                      : length <= 0                  ? "the longest length is not known"
                                                     : NULL;
    if (why != NULL)
        return fit_add(fit, FIT_CONTEXT, FIT_UNKNOWN,
                       text_format(err, "the KV cache is not checked: %s", why), NULL, err);
    if (fit->weights.unknown > 0)
        return fit_add(fit, FIT_CONTEXT, FIT_UNKNOWN,
                       text_copy("the KV cache is not checked: the size of the weights is not "
                                 "known",
                                 err),
                       NULL, err);
    return judge_context(fit, need, length, err);
}

/* ---- all of it ---- */

/* Why memory cannot be judged, or NULL. */
static const char *no_judgement(const struct fit *fit) {
    if (!fit->server.is_vllm)
        return fit->request->runtime == NULL ? "the runtime is not known"
                                             : "the runtime is not vLLM";
    if (fit->server.unusual != NULL)
        return fit->server.unusual;
    if (fit->weights.format[0] == '\0')
        return "there are no weights that vLLM loads";
    if (fit->weights.ambiguous)
        return "there are several GGUF models";
    if (card_bytes(fit) <= 0)
        return "the memory of a whole card is not known here";
    return NULL;
}

int fit_gpu(struct fit *fit, struct error **err) {
    if (fit->cards <= 0)
        return 0;
    fit->parallel = choose_parallel(fit);
    if (fit->server.is_vllm && fit->server.unusual == NULL && fit_parallel(fit, err) < 0)
        return -1;
    const char *why = no_judgement(fit);
    if (why != NULL) {
        bool option = why == fit->server.unusual;
        return fit_add(fit, FIT_WEIGHTS, FIT_UNKNOWN,
                       text_format(err, "GPU memory is not checked: %s%s",
                                   option ? "the runtime sets " : "", why),
                       NULL, err);
    }
    const struct gpu_need need =
        gpu_need(bytes_when_loaded(fit), fit->parallel, card_bytes(fit), fit->server.utilization);
    if (fit->weights.unknown == 0)
        fit->report->weight_bytes = fit->weights.bytes;
    fit->report->card_budget = need.budget_least;
    bool fails = false;
    if (fit_weights(fit, &need, &fails, err) < 0)
        return -1;
    return fails ? 0 : fit_context(fit, &need, err);
}
