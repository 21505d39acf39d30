#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

enum { RANK_OVERRULES_READY = 60 };

int rollout_new(struct rollout **out, const struct rollout_target *target,
                const struct rollout_patience *patience, struct error **err) {
    struct rollout *rollout = calloc(1, sizeof(*rollout));
    if (rollout == NULL)
        return error_no_memory(err);
    rollout->started_ms = -1;
    rollout->patience = patience != NULL ? *patience : rollout_patience_default;
    if (target_to_json(&rollout->target_json, target, err) < 0) {
        rollout_free(rollout);
        return -1;
    }
    target_from_json(&rollout->target, rollout->target_json);
    *out = rollout;
    return 0;
}

void rollout_free(struct rollout *rollout) {
    if (rollout == NULL)
        return;
    store_free(rollout);
    json_decref(rollout->target_json);
    free(rollout);
}

int rollout_observe(struct rollout *rollout, const struct rollout_event *event,
                    struct error **err) {
    if (store_observe(rollout, event, err) < 0)
        return -1;
    service_track(rollout, event->at_ms);
    return 0;
}

const char *rollout_phase_name(enum rollout_phase phase) {
    static const char *const names[] = {
        [PHASE_ACCEPTED] = "accepted",       [PHASE_CREATING] = "creating",
        [PHASE_SCHEDULING] = "scheduling",   [PHASE_PULLING] = "pulling images",
        [PHASE_DOWNLOADING] = "downloading", [PHASE_LOADING] = "loading",
        [PHASE_SERVING] = "serving",
    };
    return names[phase];
}

const char *failure_class_name(enum failure_class failure) {
    static const char *const names[] = {"", "terminal", "repeated", "impatient"};
    return names[failure];
}

void verdict_free(struct verdict *verdict) {
    if (verdict == NULL)
        return;
    free(verdict->detail);
    free(verdict->reason);
    free(verdict->cause);
    free(verdict->hint);
    free(verdict->url);
    free(verdict->address);
    strings_free(&verdict->evidence);
    strings_free(&verdict->wanted_logs);
    *verdict = (struct verdict){.state = ROLLOUT_UNKNOWN};
}

/* Since when the Deployment has been complete with our revision, without a break. */
static void track_proof(struct rollout *rollout) {
    int64_t version = -1;
    bool proved = rollout->target.serverless ? serverless_is_proved(rollout, &version)
                                             : raw_is_proved(rollout, &version);
    proved = proved && store_is_complete(rollout);
    if (proved && !rollout->proved) {
        rollout->proved_sequence = rollout->sequence;
        rollout->proved_version = version;
    }
    rollout->proved = proved;
}

/*
 * Ready must have been read after the Deployment was complete: written later (resourceVersions of
 * one etcd grow), or confirmed by a read that began after the proof. Watches of two kinds have no
 * order between them.
 */
static bool ready_was_read_after(const struct rollout *rollout) {
    const struct observed *service = store_service(rollout);
    if (service == NULL)
        return false;
    bool written_later = service->version >= 0 && rollout->proved_version >= 0 &&
                         service->version >= rollout->proved_version;
    return written_later || rollout->confirmed > rollout->proved_sequence;
}

static int collect_trouble(struct judgement *judgement, struct error **err) {
    if (service_judge(judgement, err) < 0)
        return -1;
    int result = judgement->rollout->target.serverless ? serverless_judge(judgement, err)
                                                       : raw_judge(judgement, err);
    if (result < 0 || pods_judge(judgement, err) < 0)
        return -1;
    return events_judge(judgement, err);
}

static int copy_strings(struct strings *to, const struct strings *from, struct error **err) {
    for (size_t i = 0; i < from->count; i++)
        if (strings_add(to, from->items[i], err) < 0)
            return -1;
    return 0;
}

static int fill_trouble(struct verdict *out, const struct judgement *judgement,
                        struct error **err) {
    const struct trouble *best = &judgement->best;
    bool told = judgement->found && out->state != ROLLOUT_READY;
    out->failure = told ? best->failure : FAILURE_NONE;
    out->reason = text_copy(told ? best->diagnosis.reason : "", err);
    out->cause = text_copy(told ? best->diagnosis.cause : "", err);
    out->hint = text_copy(told ? best->diagnosis.hint : "", err);
    if (out->reason == NULL || out->cause == NULL || out->hint == NULL)
        return -1;
    if (!told)
        return 0;
    return copy_strings(&out->evidence, &best->evidence, err) < 0
               ? -1
               : copy_strings(&out->wanted_logs, &best->wanted_logs, err);
}

static int fill_urls(struct verdict *out, const struct rollout *rollout, struct error **err) {
    const struct observed *service = store_service(rollout);
    const json_t *status = service != NULL ? json_at(service->object, "status", NULL) : NULL;
    out->url = text_copy(text_or_empty(json_text_at(status, "url", NULL)), err);
    out->address = text_copy(text_or_empty(json_text_at(status, "address", "url", NULL)), err);
    return out->url != NULL && out->address != NULL ? 0 : -1;
}

static void decide(struct verdict *out, const struct judgement *judgement) {
    const struct rollout *rollout = judgement->rollout;
    const struct trouble *best = &judgement->best;
    bool final = judgement->found && best->final;
    bool ready = rollout->proved && service_is_ready(rollout) && !rollout->service_gone;
    bool overruled = final && best->rank >= RANK_OVERRULES_READY;
    out->gone = rollout->service_gone;
    out->state = store_service(rollout) != NULL ? ROLLOUT_PROGRESSING : ROLLOUT_UNKNOWN;
    out->judge_again_ms = judgement->again_ms;
    int64_t settles_ms = ready ? service_settles_ms(rollout, judgement->now_ms) : 0;
    if (settles_ms > judgement->now_ms) {
        if (out->judge_again_ms == 0 || settles_ms < out->judge_again_ms)
            out->judge_again_ms = settles_ms;
        ready = false;
    }
    if (ready && !overruled) {
        out->wants_confirmation = !ready_was_read_after(rollout);
        if (!out->wants_confirmation)
            out->state = ROLLOUT_READY;
        return;
    }
    if (final)
        out->state = ROLLOUT_FAILED;
}

int rollout_judge(struct verdict *out, struct rollout *rollout, int64_t now_ms,
                  struct error **err) {
    struct judgement judgement = {.rollout = rollout, .now_ms = now_ms};
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    revision_track(rollout);
    track_proof(rollout);
    int result = collect_trouble(&judgement, err);
    if (result == 0) {
        decide(&verdict, &judgement);
        result = fill_trouble(&verdict, &judgement, err);
    }
    if (result == 0)
        result = fill_urls(&verdict, rollout, err);
    if (result == 0)
        result = progress_describe(&verdict, rollout, now_ms, err);
    trouble_free(&judgement.best);
    if (result < 0) {
        verdict_free(&verdict);
        return -1;
    }
    verdict_free(out);
    *out = verdict;
    return 0;
}
