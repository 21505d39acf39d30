#include "watch_rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { MOST_LOGS = 8, LOG_MS = 5 * 1000, LOG_LIMIT = 160 * 1024 };

struct wanted {
    char pod[256];
    char container[64];
    bool previous;
};

/* "pod/container/previous" */
static bool parse(struct wanted *out, const char *text) {
    const char *first = strchr(text, '/');
    const char *second = first != NULL ? strchr(first + 1, '/') : NULL;
    if (second == NULL)
        return false;
    size_t pod = (size_t)(first - text);
    size_t container = (size_t)(second - first - 1);
    if (pod >= sizeof(out->pod) || container >= sizeof(out->container))
        return false;
    *out = (struct wanted){.previous = text_equal(second + 1, "previous")};
    memcpy(out->pod, text, pod);
    memcpy(out->container, first + 1, container);
    return true;
}

static int take_log(struct rollout_watcher *watcher, const struct wanted *wanted,
                    const char *text) {
    cleanup_json json_t *object =
        json_pack("{s:s, s:s, s:b, s:s}", "pod", wanted->pod, "container", wanted->container,
                  "previous", wanted->previous, "text", text);
    if (object == NULL) /* not UTF-8 */
        return 0;
    const struct rollout_event event = {.at_ms = clock_wall(watcher->deps->clock),
                                        .kind = ROLLOUT_LOG,
                                        .change = ROLLOUT_ADDED,
                                        .object = object};
    return rollout_watcher_take(watcher, &event);
}

void rollout_watcher_fetch_logs(struct rollout_watcher *watcher, struct verdict *out) {
    struct wanted wanted[MOST_LOGS];
    struct kube_request requests[MOST_LOGS];
    struct kube_answer answers[MOST_LOGS] = {{.object = NULL}};
    char *queries[MOST_LOGS] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < out->wanted_logs.count && count < MOST_LOGS; i++) {
        if (!parse(&wanted[count], out->wanted_logs.items[i]))
            continue;
        queries[count] =
            text_format(NULL, "container=%s&tailLines=150&limitBytes=131072%s",
                        wanted[count].container, wanted[count].previous ? "&previous=true" : "");
        if (queries[count] == NULL)
            break;
        requests[count] = (struct kube_request){.verb = "get",
                                                .resource = &kube_pods,
                                                .namespace_ = watcher->options->target->namespace_,
                                                .name = wanted[count].pod,
                                                .subresource = "log",
                                                .query = queries[count],
                                                .body_limit = LOG_LIMIT,
                                                .want_text = true};
        count++;
    }
    int64_t deadline = clock_now(watcher->deps->clock) + LOG_MS;
    if (count > 0 && kube_send(watcher->client, requests, count, answers, deadline, NULL) == 0) {
        for (size_t i = 0; i < count; i++) {
            if (answers[i].text != NULL)
                (void)take_log(watcher, &wanted[i], answers[i].text);
            if (answers[i].http_status == 403 && answers[i].error != NULL)
                rollout_watcher_note_missing(watcher, "get", "pods/log", answers[i].error->message);
        }
        struct verdict explained = {.state = ROLLOUT_UNKNOWN};
        if (rollout_judge(&explained, watcher->rollout, clock_wall(watcher->deps->clock), NULL) ==
                0 &&
            explained.state == out->state) {
            verdict_free(out);
            *out = explained;
        } else {
            verdict_free(&explained);
        }
    }
    for (size_t i = 0; i < count; i++) {
        kube_answer_free(&answers[i]);
        free(queries[i]);
    }
}
