#include "inputs_check.h"

#include "base/text.h"
#include "deploy/quantity.h"

#include <string.h>

enum { SMALLEST_MEMORY = 4 * 1024 * 1024 };

struct amount {
    const char *parameter;
    const char *text;
    struct quantity value;
    bool valid; /* set and a quantity */
};

static int parse(struct amount *amount, bool bytes, struct problems *problems, struct error **err) {
    if (amount->text[0] == '\0')
        return 0;
    const char *hint = bytes ? "for example 16Gi, 512Mi or 20G" : "for example 4, 0.5 or 500m";
    if (!quantity_parse(&amount->value, amount->text))
        return problems_add(problems, err, true, amount->parameter, hint,
                            "%s is \"%.80s\": that is no Kubernetes quantity", amount->parameter,
                            amount->text);
    if (quantity_is_negative(&amount->value))
        return problems_add(problems, err, true, amount->parameter, hint,
                            "%s is \"%s\": it must not be negative", amount->parameter,
                            amount->text);
    amount->valid = true;
    /* legal: the API server only warns. Source: Kubernetes pkg/api/pod/warnings.go */
    if (bytes && !quantity_is_integer(&amount->value))
        return problems_add(problems, err, false, amount->parameter,
                            "Mi and Gi are binary units; a small m means thousandths",
                            "%s is \"%s\": that is no whole number of bytes, and is rounded up",
                            amount->parameter, amount->text);
    return 0;
}

static int compare(const struct amount *request, const struct amount *limit,
                   struct problems *problems, struct error **err) {
    if (!request->valid || !limit->valid || quantity_compare(&request->value, &limit->value) <= 0)
        return 0;
    return problems_add(problems, err, true, request->parameter,
                        "lower the request or raise the limit",
                        "%s is %s but %s is %s: a request must not be larger than its limit",
                        request->parameter, request->text, limit->parameter, limit->text);
}

/* "16" is sixteen bytes: valid for the API server, impossible for a container. */
static int warn_of_small(const struct amount *amount, struct problems *problems,
                         struct error **err) {
    if (!amount->valid || quantity_value(&amount->value) >= SMALLEST_MEMORY)
        return 0;
    char size[QUANTITY_SIZE];
    return problems_add(problems, err, false, amount->parameter, "was Gi or Mi forgotten?",
                        "%s is \"%s\", which is %s: too little for a container", amount->parameter,
                        amount->text, quantity_format_bytes(size, quantity_value(&amount->value)));
}

static int check_ephemeral_storage(struct inputs *inputs, struct problems *problems,
                                   struct error **err) {
    if (inputs->pvc_name[0] != '\0')
        return 0;
    if (inputs->ephemeral_storage_size[0] == '\0' &&
        (inputs_replace(&inputs->ephemeral_storage_size, DEFAULT_EPHEMERAL_STORAGE, err) < 0 ||
         problems_add(problems, err, false, "EPHIMERAL_STORAGE_SIZE", NULL,
                      "PVC_NAME and EPHIMERAL_STORAGE_SIZE are empty: ephemeral storage is limited "
                      "to the default, %s",
                      DEFAULT_EPHEMERAL_STORAGE) < 0))
        return -1;
    struct amount size = {.parameter = "EPHIMERAL_STORAGE_SIZE",
                          .text = inputs->ephemeral_storage_size};
    if (parse(&size, true, problems, err) < 0)
        return -1;
    return warn_of_small(&size, problems, err);
}

int inputs_check_quantities(struct inputs *inputs, struct problems *problems, struct error **err) {
    struct amount cpu_request = {.parameter = "CPU_REQUEST", .text = inputs->cpu_request};
    struct amount cpu_limit = {.parameter = "CPU_LIMIT", .text = inputs->cpu_limit};
    struct amount memory_request = {.parameter = "MEMORY_REQUEST", .text = inputs->memory_request};
    struct amount memory_limit = {.parameter = "MEMORY_LIMIT", .text = inputs->memory_limit};
    if (parse(&cpu_request, false, problems, err) < 0 ||
        parse(&cpu_limit, false, problems, err) < 0 ||
        parse(&memory_request, true, problems, err) < 0 ||
        parse(&memory_limit, true, problems, err) < 0)
        return -1;
    if (compare(&cpu_request, &cpu_limit, problems, err) < 0 ||
        compare(&memory_request, &memory_limit, problems, err) < 0 ||
        warn_of_small(&memory_limit, problems, err) < 0)
        return -1;
    return check_ephemeral_storage(inputs, problems, err);
}
