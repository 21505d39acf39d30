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
    const int64_t most = (int64_t)1 << 60; /* sizes come from peers: sums must not run over */
    int64_t share = (weights < most ? weights : most) / (parallel > 0 ? parallel : 1);
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

static bool uses_hami(const struct fit *fit) {
    return fit->request->inputs->nvidia_gpu[0] == '\0';
}

static int64_t card_bytes(const struct fit *fit) {
    const struct inputs *inputs = fit->request->inputs;
    int64_t mib = 0;
    if (!uses_hami(fit) || inputs->gpu_memory[0] == '\0')
        return fit->request->card_bytes;
    return text_to_integer(inputs->gpu_memory, 1, INT32_MAX, &mib) ? mib * MIB : -1;
}

static int element_bytes(const struct fit *fit) {
    return fit->server.cache_bytes > 0     ? fit->server.cache_bytes
           : fit->architecture.kv_is_8_bit ? 1
                                           : 2;
}

/* Cache of one request of LENGTH tokens; 0 when the architecture is not known. */
static int64_t cache_bytes(const struct fit *fit, int64_t parallel, int64_t length, bool least) {
    return architecture_cache_bytes(&fit->architecture, parallel, element_bytes(fit), length,
                                    least);
}

/* The longest request the server allows for; 0: not known. */
static int64_t wanted_length(const struct fit *fit) {
    if (!fit->architecture.knows_attention || fit->server.length_unclear)
        return 0;
    return fit->server.longest > 0 ? fit->server.longest : fit->architecture.longest;
}

/* MiB that a card needs so that weights and the cache of LENGTH tokens surely fit PARALLEL cards.
 */
static int64_t memory_for(const struct fit *fit, int64_t parallel, int64_t length) {
    double utilization = fit->server.utilization > 0 ? fit->server.utilization : 0.9;
    struct gpu_need need = gpu_need(bytes_when_loaded(fit), parallel, 0, utilization);
    double wanted = (double)need.weights + (double)need.overhead_most +
                    (double)cache_bytes(fit, parallel, length, false);
    double mib = wanted / utilization / (double)MIB + 1;
    return mib < (double)INT32_MAX ? (int64_t)mib : INT32_MAX;
}

/* ---- splitting ---- */

static int64_t choose_parallel(const struct fit *fit) {
    if (fit->server.parallel > 0)
        return fit->server.parallel;
    return fit->server.parallel_unclear ? fit->cards : 1;
}

static const char *cards_parameter(const struct fit *fit) {
    return uses_hami(fit) ? "NVIDIA_GPUALLOC" : "NVIDIA_GPU";
}

/* vLLM pads the vocabulary to whole 64s before it splits it (VocabParallelEmbedding). */
static bool splits_vocabulary(const struct architecture *architecture, int64_t cards) {
    return architecture->vocabulary == 0 || (architecture->vocabulary + 63) / 64 * 64 % cards == 0;
}

static bool splits_heads(const struct architecture *architecture, int64_t cards) {
    return !architecture->knows_attention || architecture->heads % cards == 0;
}

static bool splits_evenly(const struct architecture *architecture, int64_t cards) {
    int64_t shared = architecture->kv_heads;
    return !architecture->knows_attention || architecture->latent > 0 ||
           (shared >= cards ? shared % cards : cards % shared) == 0;
}

static bool may_split(const struct fit *fit, int64_t cards) {
    return splits_heads(&fit->architecture, cards) && splits_evenly(&fit->architecture, cards) &&
           splits_vocabulary(&fit->architecture, cards);
}

/* The number of cards nearest to MOST, but not above it, over which the model can be split. */
static int64_t fewer_cards(const struct fit *fit, int64_t most) {
    while (most > 1 && !may_split(fit, most))
        most--;
    return most;
}

/* The least number of cards of this memory that surely hold all of it; 0: no number up to 16, or
 * the runtime would not use them. */
static int64_t enough_cards(const struct fit *fit, int64_t length) {
    enum { MOST_CARDS = 16 };
    int64_t memory = card_bytes(fit) / MIB;
    if (!fit->server.parallel_unclear)
        return 0;
    for (int64_t cards = fit->parallel + 1; cards <= MOST_CARDS; cards++)
        if (may_split(fit, cards) && memory_for(fit, cards, length) <= memory)
            return cards;
    return 0;
}

static int refuse_split(struct fit *fit, const char *what, int64_t number, struct error **err) {
    return fit_add(fit, FIT_PARALLEL, FIT_FAILS,
                   text_format(err,
                               "the model's %s of %lld cannot be split over %lld cards: vLLM "
                               "refuses to start",
                               what, (long long)number, (long long)fit->parallel),
                   text_format(err, "set %s=%lld", cards_parameter(fit),
                               (long long)fewer_cards(fit, fit->parallel)),
                   err);
}

static int too_few_cards(struct fit *fit, struct error **err) {
    return fit_add(
        fit, FIT_PARALLEL, FIT_FAILS,
        text_format(err,
                    "the runtime splits the model over %lld cards "
                    "(--tensor-parallel-size), but %s is %lld",
                    (long long)fit->parallel, cards_parameter(fit), (long long)fit->cards),
        text_format(err, "set %s=%lld", cards_parameter(fit), (long long)fit->parallel), err);
}

static int idle_cards(struct fit *fit, struct error **err) {
    return fit_add(fit, FIT_PARALLEL, FIT_TIGHT,
                   text_format(err,
                               "%s is %lld, but the runtime uses %lld: it does not pass "
                               "--tensor-parallel-size for the rest",
                               cards_parameter(fit), (long long)fit->cards,
                               (long long)fit->parallel),
                   text_format(err, "set %s=%lld, or let the runtime split the model",
                               cards_parameter(fit), (long long)fit->parallel),
                   err);
}

static int fit_parallel(struct fit *fit, struct error **err) {
    const struct architecture *architecture = &fit->architecture;
    if (fit->parallel > fit->cards)
        return too_few_cards(fit, err);
    if (!splits_heads(architecture, fit->parallel))
        return refuse_split(fit, "number of attention heads", architecture->heads, err);
    if (!splits_vocabulary(architecture, fit->parallel))
        return refuse_split(fit, "vocabulary", architecture->vocabulary, err);
    if (fit->parallel < fit->cards)
        return idle_cards(fit, err);
    if (fit->parallel == 1)
        return 0;
    if (!splits_evenly(architecture, fit->parallel))
        return fit_add(fit, FIT_PARALLEL, FIT_TIGHT,
                       text_format(err,
                                   "%lld key-value heads do not divide evenly over %lld cards: "
                                   "most models then refuse to start",
                                   (long long)architecture->kv_heads, (long long)fit->parallel),
                       text_format(err, "set %s=%lld", cards_parameter(fit),
                                   (long long)fewer_cards(fit, fit->parallel)),
                       err);
    if (!architecture->knows_attention)
        return fit_add(fit, FIT_PARALLEL, FIT_UNKNOWN,
                       text_format(err, "whether the model splits over %lld cards is not known: %s",
                                   (long long)fit->parallel, architecture->why),
                       NULL, err);
    return fit_add(fit, FIT_PARALLEL, FIT_FITS,
                   text_format(err, "the model's %lld heads split over %lld cards",
                               (long long)architecture->heads, (long long)fit->parallel),
                   NULL, err);
}

/* ---- what to change ---- */

/*
 * "set NVIDIA_GPUMEM=20431 (MiB a card), or NVIDIA_GPUALLOC=2": what surely suffices for weights
 * and the cache of LENGTH tokens.
 */
static char *advise_memory(const struct fit *fit, int64_t length, struct error **err) {
    const struct inputs *inputs = fit->request->inputs;
    long long memory = (long long)memory_for(fit, fit->parallel, length);
    long long cards = (long long)enough_cards(fit, length);
    bool settable = uses_hami(fit) && inputs->gpu_memory[0] != '\0';
    cleanup_free char *more = cards > 0
                                  ? text_format(err, ", or %s=%lld", cards_parameter(fit), cards)
                                  : text_copy("", err);
    if (more == NULL)
        return NULL;
    return settable ? text_format(err, "set NVIDIA_GPUMEM=%lld (MiB a card)%s", memory, more)
                    : text_format(err, "use cards with %lld MiB or more%s", memory, more);
}

/* How the length is given: by a variable that the runtime reads, else in the runtime. */
static char *advise_option(const struct fit *fit, long long length, struct error **err) {
    return fit->server.length_variable[0] != '\0'
               ? text_format(err, "set ENV=%s=%lld", fit->server.length_variable, length)
               : text_format(err, "let the runtime pass --max-model-len %lld", length);
}

/* For weights that do not fit: what holds the whole length, and what a shorter one would need. */
static char *advise_weights(const struct fit *fit, struct error **err) {
    enum { SHORT_LENGTH = 8192 };
    int64_t length = wanted_length(fit);
    cleanup_free char *whole = advise_memory(fit, length, err);
    if (whole == NULL || length <= SHORT_LENGTH || !uses_hami(fit))
        return steal_pointer(whole);
    return text_format(err, "%s; that is for requests of %lld tokens, with --max-model-len %d %lld",
                       whole, (long long)length, SHORT_LENGTH,
                       (long long)memory_for(fit, fit->parallel, SHORT_LENGTH));
}

static char *advise_length(const struct fit *fit, int64_t length, int64_t longest,
                           struct error **err) {
    cleanup_free char *memory = advise_memory(fit, length, err);
    cleanup_free char *option =
        longest >= PAGE_TOKENS ? advise_option(fit, (long long)longest, err) : NULL;
    if (memory == NULL || option == NULL)
        return steal_pointer(memory);
    return text_format(err, "%s or less, or %s", option, memory);
}

/* ---- weights ---- */

static int fit_weights(struct fit *fit, const struct gpu_need *need, bool *fails,
                       struct error **err) {
    char weights[QUANTITY_SIZE];
    char budget[QUANTITY_SIZE];
    char card[QUANTITY_SIZE];
    quantity_format_bytes(weights, need->weights);
    quantity_format_bytes(budget, need->budget_most);
    quantity_format_bytes(card, card_bytes(fit));
    const char *of_card = fit->parallel > 1 ? " on each card" : "";
    if (need->weights + need->overhead_least > need->budget_most) {
        *fails = true;
        return fit_add(fit, FIT_WEIGHTS, FIT_FAILS,
                       text_format(err,
                                   "does not fit: the weights take %s%s, and vLLM needs 0.8 GiB or "
                                   "more beside them, but may use only %s of the card's %s",
                                   weights, of_card, budget, card),
                       advise_weights(fit, err), err);
    }
    if (fit->weights.unknown > 0)
        return fit_add(
            fit, FIT_WEIGHTS, FIT_UNKNOWN,
            text_format(err, "the sizes of %zu weight files are not known", fit->weights.unknown),
            NULL, err);
    if (need->weights + need->overhead_most > need->budget_least)
        return fit_add(fit, FIT_WEIGHTS, FIT_TIGHT,
                       text_format(err,
                                   "tight: the weights take %s%s of the %s that vLLM may use; what "
                                   "it needs beside them may not fit",
                                   weights, of_card, budget),
                       advise_weights(fit, err), err);
    return fit_add(fit, FIT_WEIGHTS, FIT_FITS,
                   text_format(err, "fits: %s of weights%s of the %s that vLLM may use", weights,
                               of_card, budget),
                   NULL, err);
}

/* ---- context ---- */

static int judge_context(struct fit *fit, const struct gpu_need *need, int64_t length,
                         struct error **err) {
    const struct architecture *architecture = &fit->architecture;
    bool given = fit->server.longest > 0;
    int64_t surely = given ? length : architecture->longest_least;
    int64_t least = cache_bytes(fit, fit->parallel, surely, true);
    int64_t most = cache_bytes(fit, fit->parallel, length, false);
    int64_t token = architecture_token_bytes(architecture, fit->parallel, element_bytes(fit));
    int64_t room_most = need->budget_most - need->weights - need->overhead_least;
    int64_t room_least = need->budget_least - need->weights - need->overhead_most;
    int64_t longest = gpu_longest(room_least, token);
    fit->report->token_bytes = token;
    fit->report->length = length;
    fit->report->length_that_fits = longest < length ? longest : length;

    char wanted[QUANTITY_SIZE];
    char room[QUANTITY_SIZE];
    const char *whose = given ? "--max-model-len" : "the model's maximum";
    if (least > room_most)
        return fit_add(
            fit, FIT_CONTEXT, FIT_FAILS,
            text_format(err,
                        "does not fit: one request of %lld tokens (%s) needs %s of KV cache, but "
                        "at most %s remain beside the weights, enough for %lld tokens: vLLM "
                        "refuses to start",
                        (long long)length, whose, quantity_format_bytes(wanted, least),
                        quantity_format_bytes(room, room_most > 0 ? room_most : 0),
                        (long long)gpu_longest(room_most, token)),
            advise_length(fit, length, longest, err), err);
    if (most > room_least)
        return fit_add(
            fit, FIT_CONTEXT, FIT_TIGHT,
            text_format(err,
                        "tight: one request of %lld tokens (%s) needs %s of KV cache, "
                        "and surely %s remain beside the weights, enough for %lld tokens",
                        (long long)length, whose, quantity_format_bytes(wanted, most),
                        quantity_format_bytes(room, room_least > 0 ? room_least : 0),
                        (long long)longest),
            advise_length(fit, length, longest, err), err);
    return fit_add(fit, FIT_CONTEXT, FIT_FITS,
                   text_format(err,
                               "fits: %s of KV cache for one request of %lld tokens (%s); %lld "
                               "tokens fit in all",
                               quantity_format_bytes(wanted, most), (long long)length, whose,
                               (long long)longest),
                   NULL, err);
}

static int fit_context(struct fit *fit, const struct gpu_need *need, struct error **err) {
    int64_t length = wanted_length(fit);
    const char *why = !fit->architecture.knows_attention ? fit->architecture.why
                      : fit->server.length_unclear       ? "--max-model-len is no plain number"
                      : fit->weights.unknown > 0         ? "the size of the weights is not known"
                                                         : NULL;
    if (why != NULL)
        return fit_add(fit, FIT_CONTEXT, FIT_UNKNOWN,
                       text_format(err, "the KV cache is not checked: %s", why), NULL, err);
    return judge_context(fit, need, length, err);
}

/* ---- all of it ---- */

/* Why memory cannot be judged, or NULL. */
static const char *no_judgement(const struct fit *fit) {
    if (fit->cards <= 0)
        return "no NVIDIA GPU is asked for";
    if (!fit->server.is_vllm)
        return fit->request->runtime == NULL ? "the runtime is not known"
                                             : "the runtime is not vLLM";
    if (fit->server.quantizes && !fit->architecture.quantized)
        return "the runtime quantizes the model (--quantization)";
    if (fit->weights.format[0] == '\0')
        return "there are no weights that vLLM loads";
    if (fit->weights.ambiguous)
        return "there are several GGUF models";
    if (fit->weights.absent.count > 0)
        return "weights are missing";
    if (card_bytes(fit) <= 0)
        return "the memory of a whole card is not known here";
    return NULL;
}

int fit_gpu(struct fit *fit, struct error **err) {
    const char *unusual = fit->server.unusual;
    fit->parallel = fit->cards > 0 ? choose_parallel(fit) : 1;
    if (fit->cards > 0 && fit->server.is_vllm && unusual == NULL && fit_parallel(fit, err) < 0)
        return -1;
    const char *why = no_judgement(fit);
    if (why != NULL)
        return fit_add(fit, FIT_WEIGHTS, FIT_UNKNOWN,
                       text_format(err, "GPU memory is not checked: %s", why), NULL, err);
    if (unusual != NULL)
        return fit_add(fit, FIT_WEIGHTS, FIT_UNKNOWN,
                       text_format(err, "GPU memory is not checked: the runtime sets %s", unusual),
                       NULL, err);
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
