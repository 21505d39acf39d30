#include "kube/kserve.h"

#include "base/json.h"
#include "base/text.h"

int kserve_probe_request(struct kube_request *out, char **body, const char *namespace_,
                         struct error **err) {
    /* the name is made by the server, so that no object that exists is met */
    cleanup_json json_t *object = json_pack(
        "{s:s, s:s, s:{s:s, s:s}, s:{s:{s:{s:s, s:{s:s}, s:s}}}}", "apiVersion",
        "serving.kserve.io/v1beta1", "kind", "InferenceService", "metadata", "generateName",
        "version-probe-", "namespace", namespace_, "spec", "predictor", "model", "name",
        "kserve-container", "modelFormat", "name", "probe", "storageUri", "hf://probe/probe");
    char *text = object != NULL ? json_canonical_text(object, err) : NULL;
    if (text == NULL)
        return error_no_memory(err);
    *body = text;
    *out = (struct kube_request){.verb = "create",
                                 .resource = &kube_inference_services,
                                 .namespace_ = namespace_,
                                 .query = "dryRun=All",
                                 .body = text};
    return 0;
}

int kserve_probe_read(enum kserve_generation *out, const struct kube_answer *answer,
                      struct error **err) {
    (void)err;
    *out = KSERVE_UNKNOWN;
    if (answer->error == NULL)
        *out = KSERVE_LEGACY_MODES;
    else if (text_contains(answer->error->message, "'name' field is not allowed"))
        *out = KSERVE_NEW_MODES;
    return 0;
}
