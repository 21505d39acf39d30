#include "inputs_check.h"

#include "base/buffer.h"
#include "base/text.h"
#include "deploy/quantity.h"

#include <string.h>

/* One of HAMi's three parameters. */
struct share {
    const char *parameter;
    const char *resource;
    const char *default_value;
    char **text;
};

enum { COUNT, CORES, MEMORY, SHARES };

struct gpu {
    struct inputs *inputs;
    struct share shares[SHARES];
};

static void describe(struct gpu *gpu, struct inputs *inputs) {
    *gpu = (struct gpu){.inputs = inputs,
                        .shares = {
                            [COUNT] = {"NVIDIA_GPUALLOC", "nvidia.com/gpualloc", DEFAULT_GPU_COUNT,
                                       &inputs->gpu_count},
                            [CORES] = {"NVIDIA_GPUCORES", "nvidia.com/gpucores", DEFAULT_GPU_CORES,
                                       &inputs->gpu_cores},
                            [MEMORY] = {"NVIDIA_GPUMEM", "nvidia.com/gpumem", DEFAULT_GPU_MEMORY,
                                        &inputs->gpu_memory},
                        }};
}

static bool is_set(const struct share *share) {
    return (*share->text)[0] != '\0';
}

static bool is_default(const struct share *share) {
    return strcmp(*share->text, share->default_value) == 0;
}

/* "NVIDIA_GPUALLOC=1, NVIDIA_GPUCORES=50" of those that are set and (only when asked) not default.
 */
static char *list(const struct gpu *gpu, bool only_other, struct error **err) {
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);
    for (size_t i = 0; i < SHARES; i++) {
        const struct share *share = &gpu->shares[i];
        if (!is_set(share) || (only_other && is_default(share)))
            continue;
        buffer_printf(&out, "%s%s=%.80s", out.length > 0 ? ", " : "", share->parameter,
                      *share->text);
    }
    return buffer_steal(&out, "HAMi parameters", err);
}

static int clear(const struct gpu *gpu, struct error **err) {
    for (size_t i = 0; i < SHARES; i++)
        if (inputs_replace(gpu->shares[i].text, "", err) < 0)
            return -1;
    return 0;
}

/* A request for cards that is not HAMi's: WINNER ("NVIDIA_GPU=2") stands against the three. */
static int yield_all(const struct gpu *gpu, const char *parameter, const char *winner,
                     struct problems *problems, struct error **err) {
    cleanup_free char *given = list(gpu, false, err);
    cleanup_free char *other = list(gpu, true, err);
    if (given == NULL || other == NULL)
        return -1;
    if (given[0] == '\0')
        return 0;
    if (other[0] != '\0')
        return problems_add(
            problems, err, true, parameter,
            "empty NVIDIA_GPUALLOC, NVIDIA_GPUCORES and NVIDIA_GPUMEM, or the other",
            "%s cannot be used with HAMi resources (%s): one node has either device "
            "plugin",
            winner, other);
    if (!inputs_is_refused(problems, parameter) &&
        problems_add(problems, err, false, parameter, NULL,
                     "%s is used; HAMi's defaults (%s) yield to it and are left out", winner,
                     given) < 0)
        return -1;
    return clear(gpu, err);
}

static int check_nvidia_gpu(const struct gpu *gpu, struct problems *problems, struct error **err) {
    const char *text = gpu->inputs->nvidia_gpu;
    if (text[0] == '\0')
        return 0;
    struct quantity count = {0};
    if (!quantity_parse(&count, text) || !quantity_is_integer(&count) || count.billionths <= 0) {
        if (problems_add(problems, err, true, "NVIDIA_GPU",
                         "leave it empty for no GPU; parts of a card are HAMi's: NVIDIA_GPUALLOC, "
                         "NVIDIA_GPUCORES, NVIDIA_GPUMEM",
                         "NVIDIA_GPU is \"%.80s\": it must be a whole number of cards, 1 or more",
                         text) < 0)
            return -1;
    }
    cleanup_free char *winner = text_format(err, "NVIDIA_GPU=%.80s", text);
    if (winner == NULL)
        return -1;
    return yield_all(gpu, "NVIDIA_GPU", winner, problems, err);
}

/*
 * Resources that count whole devices of another plugin: a pod cannot have them and HAMi's default
 * share of an NVIDIA card at once. Others (rdma/…, hugepages-…) go along with HAMi.
 * Source: HAMi chart defaults, NVIDIA k8s-device-plugin README, vendors' device plugins.
 */
static bool is_other_accelerator(const char *resource) {
    static const char *const prefixes[] = {
        "nvidia.com/mig-", "huawei.com/",     "amd.com/",       "cambricon.com/",
        "hygon.com/",      "metax-tech.com/", "iluvatar.ai/",   "mthreads.com/",
        "enflame.com/",    "kunlunxin.com/",  "birentech.com/", "vastaitech.com/",
        "gpu.intel.com/",  "habana.ai/",      "google.com/tpu", "aws.amazon.com/neuron",
    };
    if (strcmp(resource, "nvidia.com/gpu.shared") == 0)
        return true;
    for (size_t i = 0; i < array_length(prefixes); i++)
        if (text_has_prefix(resource, prefixes[i]))
            return true;
    return false;
}

/* RESOURCE names what SHARE stands for, or (gpumem-percentage) what stands in its place. */
static int yield_one(const struct share *share, const char *resource, const char *value,
                     struct problems *problems, struct error **err) {
    if (!is_set(share))
        return 0;
    if (!is_default(share))
        return problems_add(problems, err, true, "RESOURCE_LIMITS", "keep one of them",
                            "RESOURCE_LIMITS has %s and %s is %.80s: both say the same resource",
                            resource, share->parameter, *share->text);
    if (problems_add(problems, err, false, "RESOURCE_LIMITS", NULL,
                     "RESOURCE_LIMITS has %s=%.80s; the default of %s yields to it", resource,
                     value, share->parameter) < 0)
        return -1;
    return inputs_replace(share->text, "", err);
}

/*
 * nvidia.com/gpu counts whole cards of NVIDIA's plugin, and shares of cards where HAMi keeps its
 * upstream name for the count: then cores and memory that were chosen go along with it.
 */
static int yield_to_nvidia_gpu(const struct gpu *gpu, const char *value, struct problems *problems,
                               struct error **err) {
    const struct share *count = &gpu->shares[COUNT];
    bool chosen = false;
    for (size_t i = 0; i < SHARES; i++)
        chosen |= i != COUNT && is_set(&gpu->shares[i]) && !is_default(&gpu->shares[i]);
    if (chosen)
        return yield_one(count, "nvidia.com/gpu", value, problems, err);
    cleanup_free char *winner =
        text_format(err, "RESOURCE_LIMITS with nvidia.com/gpu=%.80s", value);
    return winner != NULL ? yield_all(gpu, "RESOURCE_LIMITS", winner, problems, err) : -1;
}

static int check_against_limits(const struct gpu *gpu, struct problems *problems,
                                struct error **err) {
    const struct inputs *inputs = gpu->inputs;
    for (size_t i = 0; i < inputs->limit_names.count; i++) {
        const char *resource = inputs->limit_names.items[i];
        const char *value = inputs->limit_values.items[i];
        if (strcmp(resource, "nvidia.com/gpu") == 0 && inputs->nvidia_gpu[0] != '\0' &&
            problems_add(problems, err, true, "RESOURCE_LIMITS", "keep one of them",
                         "RESOURCE_LIMITS has nvidia.com/gpu and NVIDIA_GPU is %.80s: both say the "
                         "same resource",
                         inputs->nvidia_gpu) < 0)
            return -1;
        for (size_t j = 0; j < SHARES; j++)
            if (strcmp(resource, gpu->shares[j].resource) == 0 &&
                yield_one(&gpu->shares[j], resource, value, problems, err) < 0)
                return -1;
        if (strcmp(resource, "nvidia.com/gpumem-percentage") == 0 &&
            yield_one(&gpu->shares[MEMORY], resource, value, problems, err) < 0)
            return -1;
        if (strcmp(resource, "nvidia.com/gpu") == 0 && inputs->nvidia_gpu[0] == '\0' &&
            yield_to_nvidia_gpu(gpu, value, problems, err) < 0)
            return -1;
        if (!is_other_accelerator(resource))
            continue;
        cleanup_free char *winner =
            text_format(err, "RESOURCE_LIMITS with %s=%.80s", resource, value);
        if (winner == NULL || yield_all(gpu, "RESOURCE_LIMITS", winner, problems, err) < 0)
            return -1;
    }
    return 0;
}

static bool is_digits(const char *text) {
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* HAMi reads plain integers: "16Gi" would be taken as bytes, overflow, and often end as 0. */
static int check_share(const struct share *share, int64_t most, const char *rule, const char *hint,
                       struct problems *problems, struct error **err) {
    int64_t number = 0;
    if (!is_set(share))
        return 0;
    if (is_digits(*share->text) && text_to_integer(*share->text, 1, most, &number))
        return 0;
    return problems_add(problems, err, true, share->parameter, hint, "%s is \"%.80s\": %s",
                        share->parameter, *share->text, rule);
}

static int check_shares(const struct gpu *gpu, struct problems *problems, struct error **err) {
    if (check_share(&gpu->shares[COUNT], INT32_MAX, "it must be a whole number of cards, 1 or more",
                    "leave it empty for no GPU; a part of each card is NVIDIA_GPUCORES and "
                    "NVIDIA_GPUMEM",
                    problems, err) < 0)
        return -1;
    if (check_share(&gpu->shares[CORES], 100,
                    "it must be a whole number from 1 to 100, the percent of each card's cores",
                    "leave it empty not to limit the cores", problems, err) < 0)
        return -1;
    return check_share(&gpu->shares[MEMORY], INT32_MAX,
                       "it must be a plain number of MiB for each card, without a unit",
                       "for example NVIDIA_GPUMEM=16384 for 16 GiB", problems, err);
}

/*
 * Without a count HAMi's webhook adds one of 1 as soon as cores or memory are asked for, so an
 * empty count means "no GPU" only together with the other two. Source: HAMi
 * pkg/device/nvidia/device.go.
 */
static int check_missing_count(const struct gpu *gpu, struct problems *problems,
                               struct error **err) {
    const struct inputs *inputs = gpu->inputs;
    bool count_elsewhere = strings_contain(&inputs->limit_names, "nvidia.com/gpualloc") ||
                           strings_contain(&inputs->limit_names, "nvidia.com/gpu");
    cleanup_free char *given = list(gpu, false, err);
    cleanup_free char *other = list(gpu, true, err);
    if (given == NULL || other == NULL)
        return -1;
    if (is_set(&gpu->shares[COUNT]) || count_elsewhere || given[0] == '\0')
        return 0;
    if (other[0] != '\0')
        return problems_add(problems, err, false, "NVIDIA_GPUALLOC",
                            "empty NVIDIA_GPUCORES and NVIDIA_GPUMEM too for no GPU",
                            "NVIDIA_GPUALLOC is empty but %s is set: HAMi allocates one card",
                            other);
    if (problems_add(
            problems, err, false, "NVIDIA_GPUALLOC", NULL,
            "NVIDIA_GPUALLOC is empty, so no GPU is asked for: the defaults %s are left out",
            given) < 0)
        return -1;
    return clear(gpu, err);
}

int inputs_check_gpu(struct inputs *inputs, struct problems *problems, struct error **err) {
    struct gpu gpu;
    describe(&gpu, inputs);
    if (check_shares(&gpu, problems, err) < 0 || check_nvidia_gpu(&gpu, problems, err) < 0 ||
        check_against_limits(&gpu, problems, err) < 0 ||
        check_missing_count(&gpu, problems, err) < 0)
        return -1;
    inputs->hami_given =
        is_set(&gpu.shares[COUNT]) || is_set(&gpu.shares[CORES]) || is_set(&gpu.shares[MEMORY]);
    return 0;
}
