#pragma once

/*
 * What Kubernetes takes as names, labels and environment variables. Source: apimachinery
 * pkg/util/validation/validation.go (DNS labels, subdomains, qualified names, label values, env
 * names).
 */

#include "base/error.h"

#include <stdbool.h>

enum {
    NAME_DNS_LABEL_MOST = 63,
    NAME_DNS_SUBDOMAIN_MOST = 253,
    NAME_LABEL_VALUE_MOST = 63,
    /*
     * KServe makes "<name>-predictor" (a Service) and the label "app: isvc.<name>-predictor" of it,
     * which must be at most 63 characters. Source: kserve pkg/constants/constants.go
     * GetRawServiceLabel.
     */
    NAME_INFERENCE_SERVICE_MOST = 48,
    /*
     * With KServe's default domainTemplate the host label "<name>-predictor-<namespace>" must be at
     * most 63 characters, ingress or not. Source: kserve issue 4807.
     */
    NAME_WITH_NAMESPACE_MOST = 52,
};

bool name_is_dns_1035_label(const char *name); /* a-z, 0-9, '-', begins with a letter */
bool name_is_dns_label(const char *name);      /* RFC 1123: may begin with a digit */
bool name_is_dns_subdomain(const char *name);  /* labels of RFC 1123 with dots between */

/* A resource's name: "cpu", "nvidia.com/gpu": optional DNS prefix, then 63 of [A-Za-z0-9_.-]. */
bool name_is_qualified(const char *name);

/* An environment variable as every supported Kubernetes takes it: [-._a-zA-Z][-._a-zA-Z0-9]*. */
bool name_is_environment_variable(const char *name);

/* "" or 63 of [A-Za-z0-9_.-] that begin and end with a letter or digit. */
bool label_value_is_legal(const char *value);

/*
 * The nearest legal label value, owned: '/' becomes '.', other characters '-', what may not stand
 * at an end is dropped, the rest cut to 63. A legal value comes back unchanged. NULL with an error
 * only when out of memory.
 */
char *label_value_from(const char *text, struct error **err);
