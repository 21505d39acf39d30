#include "rollout_private.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/patience.h"

#include <string.h>

const struct rollout_patience rollout_patience_default = {
    .crash_restarts = 3,
    .out_of_memory_kills = 2,
    .image_pull_ms = 60 * 1000,
    .mount_ms = 120 * 1000,
    .unschedulable_ms = 0,
    .invalid_grace_ms = 30 * 1000,
    .config_error_ms = 20 * 1000,
    .created_nothing_ms = 60 * 1000,
    .refused_ms = 60 * 1000,
    .deadlock_ms = 60 * 1000,
    .blocked_ms = 120 * 1000,
    .unknown_model_ms = 60 * 1000,
};

enum { MOST_CRASHES = 1000, LONGEST_KEY = 40 };
#define LONGEST_MS (86400LL * 1000)

/* KEY as people write it, JSON as a transcript's header has it. */
static const struct field {
    const char *key;
    const char *json;
    size_t offset;
    bool is_count; /* an int, else milliseconds */
} fields[] = {
    {"crash-restarts", "crashRestarts", offsetof(struct rollout_patience, crash_restarts), true},
    {"out-of-memory-kills", "outOfMemoryKills",
     offsetof(struct rollout_patience, out_of_memory_kills), true},
    {"image-pull", "imagePullMs", offsetof(struct rollout_patience, image_pull_ms), false},
    {"mount", "mountMs", offsetof(struct rollout_patience, mount_ms), false},
    {"unschedulable", "unschedulableMs", offsetof(struct rollout_patience, unschedulable_ms),
     false},
    {"invalid-spec", "invalidGraceMs", offsetof(struct rollout_patience, invalid_grace_ms), false},
    {"config-error", "configErrorMs", offsetof(struct rollout_patience, config_error_ms), false},
    {"nothing-created", "createdNothingMs", offsetof(struct rollout_patience, created_nothing_ms),
     false},
    {"refused", "refusedMs", offsetof(struct rollout_patience, refused_ms), false},
    {"deadlock", "deadlockMs", offsetof(struct rollout_patience, deadlock_ms), false},
    {"blocked", "blockedMs", offsetof(struct rollout_patience, blocked_ms), false},
    {"unknown-model", "unknownModelMs", offsetof(struct rollout_patience, unknown_model_ms), false},
};

static int64_t get(const struct rollout_patience *patience, const struct field *field) {
    const char *place = (const char *)patience + field->offset;
    return field->is_count ? *(const int *)(const void *)place
                           : *(const int64_t *)(const void *)place;
}

static void put(struct rollout_patience *patience, const struct field *field, int64_t value) {
    char *place = (char *)patience + field->offset;
    if (field->is_count)
        *(int *)(void *)place = (int)value;
    else
        *(int64_t *)(void *)place = value;
}

/* ---- the header of a transcript ---- */

int patience_to_json(json_t **out, const struct rollout_patience *patience, struct error **err) {
    cleanup_json json_t *json = json_object();
    if (json == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < array_length(fields); i++)
        if (json_set_take(json, fields[i].json, json_integer(get(patience, &fields[i])), err) < 0)
            return -1;
    *out = steal_pointer(json);
    return 0;
}

void patience_from_json(struct rollout_patience *patience, const json_t *json) {
    *patience = rollout_patience_default;
    for (size_t i = 0; i < array_length(fields); i++) {
        json_int_t value = json_integer_at(json, -1, fields[i].json, NULL);
        if (value >= 0 && value <= (fields[i].is_count ? MOST_CRASHES : LONGEST_MS))
            put(patience, &fields[i], value);
    }
}

static const struct field *find(const char *key) {
    for (size_t i = 0; i < array_length(fields); i++)
        if (text_equal_ignoring_case(fields[i].key, key))
            return &fields[i];
    return NULL;
}

const char *patience_unknown_key(json_t *json, const char **meant) {
    const char *names[array_length(fields)];
    for (size_t i = 0; i < array_length(fields); i++)
        names[i] = fields[i].json;
    const char *key = json_unknown_key(json, names, array_length(fields));
    const struct field *field = key != NULL ? find(key) : NULL;
    *meant = field != NULL ? field->json
             : key != NULL ? text_nearest(key, names, array_length(fields))
                           : NULL;
    return key;
}

/* ---- the parameter ---- */

static int unknown_key(const char *key, struct problems *problems, struct error **err) {
    const char *keys[array_length(fields)];
    for (size_t i = 0; i < array_length(fields); i++)
        keys[i] = fields[i].key;
    const char *nearest = text_nearest(key, keys, array_length(fields));
    cleanup_free char *hint =
        nearest != NULL
            ? text_format(err, "did you mean %s?", nearest)
            : text_copy("one of crash-restarts, out-of-memory-kills, image-pull, mount, "
                        "unschedulable, invalid-spec, config-error, nothing-created, "
                        "refused, deadlock, blocked, unknown-model",
                        err);
    if (hint == NULL)
        return -1;
    return problems_add(problems, err, true, "PATIENCE", hint, "PATIENCE has no \"%.100s\"", key);
}

static int bad_value(const struct field *field, const char *value, struct problems *problems,
                     struct error **err) {
    if (field->is_count)
        return problems_add(problems, err, true, "PATIENCE", "for example crash-restarts=3",
                            "PATIENCE: %s=%.100s is no whole number from 1 to %d", field->key,
                            value, MOST_CRASHES);
    return problems_add(problems, err, true, "PATIENCE", "for example image-pull=90s or mount=5m",
                        "PATIENCE: %s=%.100s is no time from 0s to 24h", field->key, value);
}

/* ENTRY is "key=value"; it is cut at the "=". */
static int take_entry(struct rollout_patience *out, char *entry, bool *given,
                      struct problems *problems, struct error **err) {
    char *equals = strchr(entry, '=');
    if (equals == NULL)
        return problems_add(problems, err, true, "PATIENCE", "for example PATIENCE=image-pull=2m",
                            "PATIENCE: \"%.100s\" is not of the form name=value", entry);
    *equals = '\0';
    const char *value = equals + 1;
    const struct field *field = find(entry);
    if (field == NULL)
        return unknown_key(entry, problems, err);
    size_t index = (size_t)(field - fields);
    if (given[index])
        return problems_add(problems, err, true, "PATIENCE", NULL, "PATIENCE has %s twice",
                            field->key);
    given[index] = true;
    int64_t number = -1;
    bool good = field->is_count ? text_to_integer(value, 1, MOST_CRASHES, &number)
                                : (number = duration_parse(value)) >= 0 && number <= LONGEST_MS;
    if (!good)
        return bad_value(field, value, problems, err);
    put(out, field, number);
    return 0;
}

int patience_change(struct rollout_patience *out, const char *text, struct problems *problems,
                    struct error **err) {
    bool given[array_length(fields)] = {false};
    for (const char *at = text; *at != '\0';) {
        at += strspn(at, ", \t\r\n");
        size_t length = strcspn(at, ", \t\r\n");
        if (length == 0)
            break;
        cleanup_free char *entry = text_copy_bytes(at, length, err);
        if (entry == NULL || take_entry(out, entry, given, problems, err) < 0)
            return -1;
        at += length;
    }
    return 0;
}

int patience_parse(struct rollout_patience *out, const char *text, struct problems *problems,
                   struct error **err) {
    *out = rollout_patience_default;
    return patience_change(out, text, problems, err);
}

int patience_of(struct rollout_patience *out, const struct inputs *inputs, struct error **err) {
    cleanup_problems struct problems known = {0};
    return patience_parse(out, inputs != NULL ? inputs->patience : "", &known, err);
}

int inputs_check_patience(const struct inputs *inputs, struct problems *problems,
                          struct error **err) {
    struct rollout_patience patience;
    return patience_parse(&patience, inputs->patience, problems, err);
}
