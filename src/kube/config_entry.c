/* Fields of kubeconfig entries, typed as client-go tools/clientcmd/api/v1/types.go has them. */
#include "config_private.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

int entry_error(struct error **err, const struct kubeconfig_entry *entry, const char *field,
                const char *problem) {
    return error_new(err, ERROR_PARAMETER, "%s: %s \"%s\": %s %s", entry->file->path, entry->what,
                     entry->name, field, problem);
}

int entry_text(const char **out, const struct kubeconfig_entry *entry, const json_t *object,
               const char *field, struct error **err) {
    const json_t *value = json_object_get(object, field);
    *out = NULL;
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return entry_error(err, entry, field, "must be text (put it in quotes)");
    if (strlen(json_string_value(value)) != json_string_length(value))
        return entry_error(err, entry, field, "contains a NUL character");
    if (json_string_length(value) > 0)
        *out = json_string_value(value);
    return 0;
}

int entry_flag(bool *out, const struct kubeconfig_entry *entry, const json_t *object,
               const char *field, struct error **err) {
    const json_t *value = json_object_get(object, field);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_boolean(value))
        return entry_error(err, entry, field, "must be true or false");
    *out = json_is_true(value);
    return 0;
}

int entry_list(struct strings *out, const struct kubeconfig_entry *entry, const json_t *object,
               const char *field, struct error **err) {
    const json_t *list = json_object_get(object, field);
    if (list == NULL || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return entry_error(err, entry, field, "must be a list of texts");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL)
            return entry_error(err, entry, field, "must be a list of texts");
        if (strings_add(out, text, err) < 0)
            return -1;
    }
    return 0;
}

int entry_copy(char **out, const struct kubeconfig_entry *entry, const char *field,
               struct error **err) {
    const char *text = NULL;
    if (entry_text(&text, entry, entry->body, field, err) < 0)
        return -1;
    if (text == NULL)
        return 0;
    *out = text_copy(text, err);
    return *out != NULL ? 0 : -1;
}

int entry_path(char **out, const struct kubeconfig_entry *entry, const char *field,
               struct error **err) {
    const char *path = NULL;
    if (entry_text(&path, entry, entry->body, field, err) < 0)
        return -1;
    if (path == NULL)
        return 0;
    *out = path[0] == '/' ? text_copy(path, err)
                          : text_format(err, "%s/%s", entry->file->directory, path);
    return *out != NULL ? 0 : -1;
}

static int decode(struct buffer *out, const struct kubeconfig_entry *entry, const char *field,
                  const char *data, struct error **err) {
    cleanup_free char *what =
        text_format(err, "%s: %s \"%s\": %s", entry->file->path, entry->what, entry->name, field);
    if (what == NULL)
        return -1;
    return base64_decode(out, data, strlen(data), what, ERROR_PARAMETER, err);
}

static int check_pem(const struct buffer *pem, const struct kubeconfig_entry *entry,
                     const char *field, struct error **err) {
    const char *text = buffer_text(pem);
    if (strlen(text) != pem->length || strstr(text, "-----BEGIN ") == NULL)
        return entry_error(err, entry, field, "holds no PEM text (-----BEGIN ...)");
    return 0;
}

int entry_pem(char **out, const struct kubeconfig_entry *entry, const char *field,
              const struct deps *deps, struct error **err) {
    cleanup_free char *data_field = text_format(err, "%s-data", field);
    cleanup_free char *path = NULL;
    const char *data = NULL;
    if (data_field == NULL || entry_text(&data, entry, entry->body, data_field, err) < 0 ||
        entry_path(&path, entry, field, err) < 0)
        return -1;
    if (data == NULL && path == NULL)
        return 0;
    if (data != NULL && path != NULL) {
        entry_error(err, entry, field, "is given twice, as a file and as data");
        return error_hint(err, "remove %s or %s", field, data_field);
    }
    cleanup_buffer struct buffer pem = BUFFER_INIT(KUBECONFIG_LIMIT);
    pem.secret = true;
    const char *source = data != NULL ? data_field : field;
    if (data != NULL) {
        if (decode(&pem, entry, data_field, data, err) < 0)
            return -1;
    } else if (deps->files->read(deps->files->user, path, &pem, err) < 0) {
        return error_wrap(err, "%s: %s \"%s\": %s", entry->file->path, entry->what, entry->name,
                          field);
    }
    if (check_pem(&pem, entry, source, err) < 0)
        return -1;
    *out = buffer_steal(&pem, source, err);
    return *out != NULL ? 0 : -1;
}
