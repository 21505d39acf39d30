#include "inputs_check.h"

#include "base/text.h"
#include "deploy/names.h"

#include <string.h>

enum { LONGEST_DESCRIPTION = 64 * 1024, MOST_REPLICAS = INT32_MAX };

static int check_name(const struct inputs *inputs, struct problems *problems, struct error **err) {
    const char *parameter = "INFERENCE_SERVICE_NAME";
    const char *name = inputs->name;
    if (name[0] == '\0')
        return problems_add_missing(problems, err, parameter,
                                    "for example INFERENCE_SERVICE_NAME=qwen",
                                    "INFERENCE_SERVICE_NAME is not set");
    size_t length = strlen(name);
    if (length > NAME_INFERENCE_SERVICE_MOST)
        return problems_add(problems, err, true, parameter, "choose a shorter name",
                            "INFERENCE_SERVICE_NAME \"%.80s\" has %zu characters: KServe's label "
                            "isvc.<name>-predictor leaves room for %d",
                            name, length, NAME_INFERENCE_SERVICE_MOST);
    if (!name_is_dns_1035_label(name))
        return problems_add(problems, err, true, parameter, "for example qwen-2-5-7b",
                            "INFERENCE_SERVICE_NAME \"%s\" must consist of a-z, 0-9 and '-', begin "
                            "with a letter and not end with '-'",
                            name);
    return 0;
}

static int check_namespace(const struct inputs *inputs, struct problems *problems,
                           struct error **err) {
    const char *namespace_ = inputs->namespace_;
    if (namespace_[0] == '\0')
        return problems_add_missing(problems, err, "NAMESPACE",
                                    "set NAMESPACE, or use a kubeconfig context that names one",
                                    "NAMESPACE is not set");
    if (!name_is_dns_label(namespace_))
        return problems_add(
            problems, err, true, "NAMESPACE", NULL,
            "NAMESPACE \"%.80s\" must have at most 63 characters of a-z, 0-9 and '-', "
            "with a letter or digit at both ends",
            namespace_);
    size_t name_length = strlen(inputs->name);
    size_t together = name_length + strlen(namespace_);
    if (name_length == 0 || name_length > NAME_INFERENCE_SERVICE_MOST ||
        together <= NAME_WITH_NAMESPACE_MOST)
        return 0;
    return problems_add(problems, err, true, "INFERENCE_SERVICE_NAME",
                        "choose a shorter name: KServe makes the host name "
                        "<name>-predictor-<namespace> of it, which "
                        "may have 63 characters, and a longer one never becomes ready",
                        "INFERENCE_SERVICE_NAME \"%s\" and NAMESPACE \"%s\" have %zu characters "
                        "together, more than %d",
                        inputs->name, namespace_, together, NAME_WITH_NAMESPACE_MOST);
}

static int check_subdomain(const char *parameter, const char *name, struct problems *problems,
                           struct error **err) {
    if (name[0] == '\0' || name_is_dns_subdomain(name))
        return 0;
    return problems_add(
        problems, err, true, parameter, NULL,
        "%s \"%.100s\" is no Kubernetes name: at most 253 characters of a-z, 0-9, '-' "
        "and '.', with a letter or digit at both ends",
        parameter, name);
}

static int check_runtime(const struct inputs *inputs, struct problems *problems,
                         struct error **err) {
    const char *class_ = inputs->runtime_class;
    if (inputs->runtime_name[0] == '\0' && class_[0] == '\0')
        return problems_add_missing(
            problems, err, "RUNTIME_CLASS",
            "RUNTIME_CLASS=vllm takes the first runtime of that class that fits, RUNTIME_NAME a "
            "certain one",
            "neither RUNTIME_NAME nor RUNTIME_CLASS is set: one of them is needed");
    if (check_subdomain("RUNTIME_NAME", inputs->runtime_name, problems, err) < 0)
        return -1;
    if (label_value_is_legal(class_))
        return 0;
    return problems_add(
        problems, err, true, "RUNTIME_CLASS",
        "it is the value of the runtime's label cpaas.io/runtime-class, such as vllm",
        "RUNTIME_CLASS \"%.100s\" is no label value: at most 63 characters of A-Z, a-z, "
        "0-9, '-', '_' and '.', with a letter or digit at both ends",
        class_);
}

static int check_replica_count(const char *parameter, int64_t count, struct problems *problems,
                               struct error **err) {
    if (count >= 0 && count <= MOST_REPLICAS)
        return 0;
    return problems_add(problems, err, true, parameter, NULL,
                        "%s is %lld: it must be between 0 and %d", parameter, (long long)count,
                        MOST_REPLICAS);
}

static int check_replicas(const struct inputs *inputs, struct problems *problems,
                          struct error **err) {
    if (check_replica_count("MIN_REPLICAS", inputs->min_replicas, problems, err) < 0 ||
        check_replica_count("MAX_REPLICAS", inputs->max_replicas, problems, err) < 0)
        return -1;
    /* KServe takes a maximum of 0 as "no maximum" */
    if (inputs->max_replicas > 0 && inputs->min_replicas > inputs->max_replicas)
        return problems_add(problems, err, true, "MIN_REPLICAS",
                            "lower MIN_REPLICAS or raise MAX_REPLICAS",
                            "MIN_REPLICAS is %lld but MAX_REPLICAS is %lld: it must not be larger",
                            (long long)inputs->min_replicas, (long long)inputs->max_replicas);
    /* a text that was refused leaves 0 and false behind, which say nothing */
    bool known = !inputs_is_refused(problems, "MIN_REPLICAS") &&
                 !inputs_is_refused(problems, "ENABLE_SERVERLESS");
    if (known && inputs->min_replicas == 0 && !inputs->serverless)
        return problems_add(
            problems, err, false, "MIN_REPLICAS", "ENABLE_SERVERLESS=true scales to zero",
            "MIN_REPLICAS is 0 without ENABLE_SERVERLESS: KServe keeps one replica");
    return 0;
}

static int check_strategy(const struct inputs *inputs, struct problems *problems,
                          struct error **err) {
    const char *strategy = inputs->deployment_strategy;
    if (strategy[0] == '\0')
        return 0;
    if (strcmp(strategy, "Recreate") != 0 && strcmp(strategy, "RollingUpdate") != 0)
        return problems_add(
            problems, err, true, "DEPLOYMENT_STRATEGY", NULL,
            "DEPLOYMENT_STRATEGY is \"%.80s\": it must be Recreate or RollingUpdate", strategy);
    if (inputs->serverless)
        return problems_add(
            problems, err, true, "DEPLOYMENT_STRATEGY",
            "leave DEPLOYMENT_STRATEGY or ENABLE_SERVERLESS away",
            "DEPLOYMENT_STRATEGY is %s but ENABLE_SERVERLESS is true: Knative has no "
            "deployment strategy and KServe refuses it",
            strategy);
    return 0;
}

static int check_description(const struct inputs *inputs, struct problems *problems,
                             struct error **err) {
    size_t length = strlen(inputs->description);
    if (length <= LONGEST_DESCRIPTION)
        return 0;
    return problems_add(
        problems, err, true, "INFERENCE_SERVICE_DESCRIPTION", NULL,
        "INFERENCE_SERVICE_DESCRIPTION has %zu bytes: at most %d are kept, since all "
        "annotations of an object share 256 KiB",
        length, LONGEST_DESCRIPTION);
}

int inputs_check_service(const struct inputs *inputs, struct problems *problems,
                         struct error **err) {
    if (check_name(inputs, problems, err) < 0 || check_namespace(inputs, problems, err) < 0)
        return -1;
    if (check_runtime(inputs, problems, err) < 0 ||
        check_subdomain("PVC_NAME", inputs->pvc_name, problems, err) < 0)
        return -1;
    if (check_replicas(inputs, problems, err) < 0 || check_strategy(inputs, problems, err) < 0)
        return -1;
    return check_description(inputs, problems, err);
}
