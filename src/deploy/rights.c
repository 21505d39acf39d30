#include "deploy/rights.h"

#include "base/memory.h"

#define KSERVE  "serving.kserve.io"
#define KNATIVE "serving.knative.dev"

const struct right rights[] = {
    {RIGHT_DEPLOY, false, "", "configmaps", "aml-image-builder-config", "get"},
    {RIGHT_DEPLOY, false, "", "secrets", "aml-image-builder-secret", "get"},
    {RIGHT_DEPLOY, false, KSERVE, "inferenceservices", NULL, "get list watch create patch"},
    {RIGHT_DEPLOY, false, "apps", "deployments", NULL, "list watch"},
    {RIGHT_DEPLOY, true, KSERVE, "clusterservingruntimes", NULL, "get list"},

    {RIGHT_DIAGNOSTICS, false, "apps", "replicasets", NULL, "list watch"},
    {RIGHT_DIAGNOSTICS, false, "", "pods", NULL, "list watch"},
    {RIGHT_DIAGNOSTICS, false, "", "pods/log", NULL, "get"},
    {RIGHT_DIAGNOSTICS, false, "", "events", NULL, "list watch"},
    {RIGHT_DIAGNOSTICS, false, KNATIVE, "revisions", NULL, "list watch"},

    {RIGHT_PREFLIGHT, false, "", "resourcequotas limitranges", NULL, "list"},
    {RIGHT_PREFLIGHT, false, "", "persistentvolumeclaims", NULL, "get"},
    {RIGHT_PREFLIGHT, false, KSERVE, "servingruntimes", NULL, "get"},
    {RIGHT_PREFLIGHT, true, "", "nodes", NULL, "list"},
    {RIGHT_PREFLIGHT, true, "", "namespaces", RIGHT_OWN_NAMESPACE, "get"},
    {RIGHT_PREFLIGHT, true, "storage.k8s.io", "storageclasses", NULL, "get"},
};
const size_t rights_count = array_length(rights);
