#include "inputs_check.h"

#include "base/text.h"
#include "deploy/names.h"
#include "deploy/quantity.h"
#include "deploy/resource_parameter.h"

#include <string.h>

static const char example[] = "for example RESOURCE_LIMITS=huawei.com/Ascend910B3=1";

/* Standard resources, whose names have no domain, have parameters of their own. */
static const char *parameter_of(const char *resource) {
    const char *parameter = resource_parameter(resource, false);
    bool own = strchr(resource, '/') == NULL && strcmp(parameter, "RESOURCE_LIMITS") != 0;
    return own ? parameter : NULL;
}

static int check_value(const char *name, const char *value, struct problems *problems,
                       struct error **err) {
    struct quantity quantity = {0};
    if (!quantity_parse(&quantity, value) || quantity_is_negative(&quantity))
        return problems_add(
            problems, err, true, "RESOURCE_LIMITS", example,
            "RESOURCE_LIMITS has %s=%.80s: that is no Kubernetes quantity of 0 or more", name,
            value);
    if (!quantity_is_integer(&quantity))
        return problems_add(
            problems, err, true, "RESOURCE_LIMITS", NULL,
            "RESOURCE_LIMITS has %s=%s: it must be a whole number, devices cannot be "
            "split",
            name, value);
    return 0;
}

static int take_limit(struct inputs *inputs, const char *name, const char *value,
                      struct problems *problems, struct error **err) {
    const char *parameter = parameter_of(name);
    bool huge_pages = text_has_prefix(name, "hugepages-");
    if (parameter != NULL)
        return problems_add(problems, err, true, "RESOURCE_LIMITS", NULL,
                            "RESOURCE_LIMITS has %s: use %s for it", name, parameter);
    if (!name_is_qualified(name) || (strchr(name, '/') == NULL && !huge_pages))
        return problems_add(problems, err, true, "RESOURCE_LIMITS", example,
                            "RESOURCE_LIMITS has \"%.200s\": a resource is named domain/name",
                            name);
    if (strings_contain(&inputs->limit_names, name))
        return problems_add(problems, err, true, "RESOURCE_LIMITS", NULL,
                            "RESOURCE_LIMITS has %s twice", name);
    if (check_value(name, value, problems, err) < 0)
        return -1;
    if (strings_add(&inputs->limit_names, name, err) < 0)
        return -1;
    return strings_add(&inputs->limit_values, value, err);
}

int inputs_check_limits(struct inputs *inputs, struct problems *problems, struct error **err) {
    static const char separators[] = ", \t\r\n";
    strings_free(&inputs->limit_names);
    strings_free(&inputs->limit_values);
    const char *at = inputs->resource_limits + strspn(inputs->resource_limits, separators);
    while (*at != '\0') {
        size_t length = strcspn(at, separators);
        cleanup_free char *item = text_copy_bytes(at, length, err);
        if (item == NULL)
            return -1;
        char *equals = strchr(item, '=');
        if (equals == NULL) {
            if (problems_add(problems, err, true, "RESOURCE_LIMITS", example,
                             "RESOURCE_LIMITS has \"%.200s\": name=quantity is expected", item) < 0)
                return -1;
        } else {
            *equals = '\0';
            if (take_limit(inputs, item, equals + 1, problems, err) < 0)
                return -1;
        }
        at += length;
        at += strspn(at, separators);
    }
    return 0;
}
