#include "cli/check_table.h"

#include "base/text.h"
#include "cli/layout.h"

#include <string.h>

enum { STATE_WIDTH = 7, NAME_LEAST = 5, GAP = 2 };

static const char fix[] = "fix: ";

struct shape {
    int name_width;
    size_t width; /* of the whole line */
    bool color;
};

static const enum check_state all_states[] = {CHECK_OK, CHECK_WARN, CHECK_FAIL, CHECK_SKIPPED};

static const char *color_of(enum check_state state) {
    switch (state) {
    case CHECK_OK:
        return "\033[32m";
    case CHECK_WARN:
        return "\033[33m";
    case CHECK_FAIL:
        return "\033[31m";
    case CHECK_SKIPPED:
        break;
    }
    return "\033[2m";
}

static int put_check(FILE *output, const struct check *check, const struct shape *shape,
                     struct error **err) {
    const char *state = check_state_name(check->state);
    cleanup_free char *name =
        text_format(err, "%s/%s", check->subject->group, check->subject->name);
    if (name == NULL)
        return -1;
    size_t indent = (size_t)(STATE_WIDTH + GAP + shape->name_width + GAP);
    fprintf(output, "%s%-*s%s%*s%-*s%*s", shape->color ? color_of(check->state) : "", STATE_WIDTH,
            state, shape->color ? "\033[0m" : "", GAP, "", shape->name_width, name, GAP, "");
    layout_put(output, check->message, indent, indent, shape->width);
    if (check->hint != NULL) {
        fprintf(output, "%*s%s", (int)indent, "", fix);
        indent += strlen(fix);
        layout_put(output, check->hint, indent, indent, shape->width);
    }
    return 0;
}

int check_table_print(FILE *output, const struct checks *checks, size_t width, bool color,
                      struct error **err) {
    struct shape shape = {.name_width = NAME_LEAST, .width = width, .color = color};
    for (size_t i = 0; i < checks->count; i++) {
        const struct check_subject *subject = checks->items[i].subject;
        int name = (int)(strlen(subject->group) + 1 + strlen(subject->name));
        shape.name_width = name > shape.name_width ? name : shape.name_width;
    }
    fprintf(output, "%-*s%*s%-*s%*s%s\n", STATE_WIDTH, "STATE", GAP, "", shape.name_width, "CHECK",
            GAP, "", "FOUND");
    for (size_t i = 0; i < checks->count; i++)
        if (put_check(output, &checks->items[i], &shape, err) < 0)
            return -1;
    return 0;
}

/* ---- for programs ---- */

static json_t *summary_json(const struct checks *checks) {
    json_t *summary = json_object();
    for (size_t i = 0; summary != NULL && i < array_length(all_states); i++)
        if (json_object_set_new(summary, check_state_name(all_states[i]),
                                json_integer((json_int_t)checks_count(checks, all_states[i]))) <
            0) {
            json_decref(summary);
            return NULL;
        }
    return summary;
}

json_t *check_table_json(const struct checks *checks, struct error **err) {
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < checks->count; i++) {
        const struct check *check = &checks->items[i];
        json_t *entry =
            json_pack("{s:s, s:s, s:s, s:s, s:s?}", "group", check->subject->group, "name",
                      check->subject->name, "state", check_state_name(check->state), "message",
                      check->message, "hint", check->hint);
        if (json_array_append_new(list, entry) < 0) {
            json_decref(list);
            list = NULL;
        }
    }
    enum check_state worst = checks_count(checks, CHECK_FAIL) > 0   ? CHECK_FAIL
                             : checks_count(checks, CHECK_WARN) > 0 ? CHECK_WARN
                                                                    : CHECK_OK;
    json_t *document = json_pack("{s:s, s:o, s:o}", "verdict", check_state_name(worst), "summary",
                                 summary_json(checks), "checks", list);
    if (document == NULL)
        error_no_memory(err);
    return document;
}
