/* Of nodes, what is kept and what else can be told from them. */
#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/hami.h"

json_t *preflight_prune_node(const json_t *node) {
    json_t *metadata = json_at(node, "metadata", NULL);
    json_t *annotations = json_object_get(metadata, "annotations");
    json_t *spec = json_at(node, "spec", NULL);
    json_t *status = json_at(node, "status", NULL);
    return json_pack(
        "{s:{s:O*, s:O*, s:{s:O*, s:O*, s:O*}}, s:{s:O*, s:O*}, s:{s:O*, s:O*}}", "metadata",
        "name", json_object_get(metadata, "name"), "labels", json_object_get(metadata, "labels"),
        "annotations", HAMI_ANNOTATION_REGISTER,
        json_object_get(annotations, HAMI_ANNOTATION_REGISTER), HAMI_ANNOTATION_HANDSHAKE,
        json_object_get(annotations, HAMI_ANNOTATION_HANDSHAKE), HAMI_ANNOTATION_CORDON,
        json_object_get(annotations, HAMI_ANNOTATION_CORDON), "spec", "unschedulable",
        json_object_get(spec, "unschedulable"), "taints", json_object_get(spec, "taints"), "status",
        "allocatable", json_object_get(status, "allocatable"), "conditions",
        json_object_get(status, "conditions"));
}

static int largest_of_node(int64_t *out, const json_t *node, struct error **err) {
    const char *text =
        json_text_at(node, "metadata", "annotations", HAMI_ANNOTATION_REGISTER, NULL);
    cleanup_hami_cards struct hami_cards cards = {.count = 0};
    if (text != NULL && hami_parse_cards(&cards, text, err) < 0)
        return -1;
    int64_t mib = hami_largest_card(&cards);
    /* MiB, by NVIDIA's gpu-feature-discovery */
    const char *label = json_text_at(node, "metadata", "labels", "nvidia.com/gpu.memory", NULL);
    int64_t labelled = 0;
    if (mib == 0 && label != NULL && text_to_integer(label, 1, INT32_MAX, &labelled))
        mib = labelled;
    *out = mib;
    return 0;
}

int preflight_card_bytes(int64_t *out, const struct reading *nodes, struct error **err) {
    int64_t largest = 0;
    size_t index = 0;
    const json_t *node = NULL;
    json_array_foreach(json_at(nodes->object, "items", NULL), index, node) {
        int64_t mib = 0;
        if (largest_of_node(&mib, node, err) < 0)
            return -1;
        largest = mib > largest ? mib : largest;
    }
    *out = largest > 0 ? largest * 1024 * 1024 : -1;
    return 0;
}
