/* kubeconfig files as client-go finds and merges them (tools/clientcmd/loader.go,
 * api/v1/conversion.go). */
#include "config_private.h"

#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"

#include <string.h>

static char *directory_of(const char *path, struct error **err) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return text_copy(".", err);
    return text_copy_bytes(path, slash == path ? 1 : (size_t)(slash - path), err);
}

static int check_header(const struct kubeconfig_file *file, struct error **err) {
    const json_t *document = file->document;
    const char *version = json_text_at(document, "apiVersion", NULL);
    const char *kind = json_text_at(document, "kind", NULL);
    if (!json_is_object(document))
        return error_new(err, ERROR_PARAMETER, "%s is no kubeconfig: it must be a mapping",
                         file->path);
    bool known = (text_is_empty(version) || text_equal(version, "v1")) &&
                 (text_is_empty(kind) || text_equal(kind, "Config"));
    if (!known)
        return error_new(
            err, ERROR_PARAMETER,
            "%s is no kubeconfig: it says apiVersion %s, kind %s instead of v1, Config", file->path,
            version != NULL ? version : "-", kind != NULL ? kind : "-");
    return 0;
}

static const char *entry_name(const json_t *entry) {
    const char *name = json_text_at(entry, "name", NULL);
    return name != NULL ? name : "";
}

static int check_entry(const struct kubeconfig_file *file, const char *list, const char *kind,
                       const json_t *entries, size_t index, struct error **err) {
    const json_t *entry = json_array_get(entries, index);
    const json_t *name = json_object_get(entry, "name");
    const json_t *body = json_object_get(entry, kind);
    if (!json_is_object(entry) || (name != NULL && !json_is_null(name) && !json_is_string(name)))
        return error_new(err, ERROR_PARAMETER,
                         "%s: element %zu of %s must be a mapping whose name is text", file->path,
                         index + 1, list);
    if (body != NULL && !json_is_null(body) && !json_is_object(body))
        return error_new(err, ERROR_PARAMETER, "%s: %s \"%s\" must be a mapping", file->path, kind,
                         entry_name(entry));
    for (size_t i = 0; i < index; i++)
        if (strcmp(entry_name(json_array_get(entries, i)), entry_name(entry)) == 0)
            return error_new(err, ERROR_PARAMETER, "%s: duplicate name \"%s\" in %s", file->path,
                             entry_name(entry), list);
    return 0;
}

static int check_entries(const struct kubeconfig_file *file, const char *list, const char *kind,
                         struct error **err) {
    const json_t *entries = json_object_get(file->document, list);
    if (entries == NULL || json_is_null(entries))
        return 0;
    if (!json_is_array(entries))
        return error_new(err, ERROR_PARAMETER, "%s: %s must be a list", file->path, list);
    for (size_t i = 0; i < json_array_size(entries); i++)
        if (check_entry(file, list, kind, entries, i, err) < 0)
            return -1;
    return 0;
}

static int parse_file(struct kubeconfig_file *file, const struct deps *deps, struct error **err) {
    cleanup_buffer struct buffer content = BUFFER_INIT(KUBECONFIG_LIMIT);
    content.secret = true;
    if (deps->files->is_directory(deps->files->user, file->path))
        return error_new(err, ERROR_PARAMETER, "cannot read %s: it is a directory", file->path);
    if (deps->files->read(deps->files->user, file->path, &content, err) < 0)
        return -1;
    if (yaml_to_json(&file->document, buffer_text(&content), content.length, file->path,
                     ERROR_PARAMETER, err) < 0)
        return -1;
    if (json_is_null(file->document)) {
        json_decref(file->document);
        file->document = NULL;
        return 0; /* an empty file is an empty configuration */
    }
    if (check_header(file, err) < 0 || check_entries(file, "clusters", "cluster", err) < 0 ||
        check_entries(file, "users", "user", err) < 0)
        return -1;
    return check_entries(file, "contexts", "context", err);
}

static int add_file(struct kubeconfig *out, const char *path, const struct deps *deps,
                    struct error **err) {
    if (out->count == KUBECONFIG_MOST_FILES)
        return error_new(err, ERROR_PARAMETER, "KUBECONFIG names more than %d files",
                         KUBECONFIG_MOST_FILES);
    struct kubeconfig_file *files = realloc(out->files, (out->count + 1) * sizeof(*files));
    if (files == NULL)
        return error_no_memory(err);
    out->files = files;
    struct kubeconfig_file *file = &files[out->count++];
    *file = (struct kubeconfig_file){.path = text_copy(path, err)};
    if (file->path == NULL)
        return -1;
    file->directory = directory_of(path, err);
    return file->directory != NULL ? parse_file(file, deps, err) : -1;
}

/* A file that may be missing. */
static int try_file(struct kubeconfig *out, const char *path, const struct deps *deps,
                    struct error **err) {
    if (strings_contain(&out->looked_at, path))
        return 0;
    if (strings_add(&out->looked_at, path, err) < 0)
        return -1;
    bool there = deps->files->exists(deps->files->user, path) ||
                 deps->files->is_directory(deps->files->user, path);
    return there ? add_file(out, path, deps, err) : 0;
}

static int read_list(struct kubeconfig *out, const char *list, const struct deps *deps,
                     struct error **err) {
    while (*list != '\0') {
        size_t length = strcspn(list, ":");
        if (length > 0) {
            cleanup_free char *path = text_copy_bytes(list, length, err);
            if (path == NULL || try_file(out, path, deps, err) < 0)
                return -1;
        }
        list += length + (list[length] == ':' ? 1 : 0);
    }
    if (out->count == 0 && out->looked_at.count > 0)
        log_warning(deps->log, "KUBECONFIG is set, but none of its files can be read");
    return 0;
}

static int read_files(struct kubeconfig *out, const struct kube_config_options *options,
                      const struct deps *deps, struct error **err) {
    if (!text_is_empty(options->kubeconfig)) {
        out->is_explicit = true;
        if (strings_add(&out->looked_at, options->kubeconfig, err) < 0)
            return -1;
        return add_file(out, options->kubeconfig, deps, err) == 0 ? 0
                                                                  : error_wrap(err, "--kubeconfig");
    }
    const char *list = environment_get(deps->environment, "KUBECONFIG");
    if (!text_is_empty(list))
        return read_list(out, list, deps, err);
    const char *home = environment_get(deps->environment, "HOME");
    if (text_is_empty(home))
        return 0;
    cleanup_free char *path = text_format(err, "%s/.kube/config", home);
    return path != NULL ? try_file(out, path, deps, err) : -1;
}

int kubeconfig_read(struct kubeconfig *out, const struct kube_config_options *options,
                    const struct deps *deps, struct error **err) {
    cleanup_kubeconfig struct kubeconfig kubeconfig = {0};
    if (read_files(&kubeconfig, options, deps, err) < 0)
        return -1;
    *out = kubeconfig;
    kubeconfig = (struct kubeconfig){0};
    return 0;
}

void kubeconfig_free(struct kubeconfig *kubeconfig) {
    for (size_t i = 0; i < kubeconfig->count; i++) {
        free(kubeconfig->files[i].path);
        free(kubeconfig->files[i].directory);
        json_wipe(kubeconfig->files[i].document);
        json_decref(kubeconfig->files[i].document);
    }
    free(kubeconfig->files);
    strings_free(&kubeconfig->looked_at);
    *kubeconfig = (struct kubeconfig){0};
}

/* "clusters", "users" or "contexts" of FILE. */
static const json_t *entries_of(const struct kubeconfig_file *file, const char *kind) {
    static const char *const lists[][2] = {
        {"cluster", "clusters"}, {"user", "users"}, {"context", "contexts"}};
    for (size_t i = 0; i < array_length(lists); i++)
        if (text_equal(lists[i][0], kind))
            return json_object_get(file->document, lists[i][1]);
    return NULL;
}

bool kubeconfig_find(struct kubeconfig_entry *out, const struct kubeconfig *kubeconfig,
                     const char *kind, const char *name) {
    for (size_t i = 0; i < kubeconfig->count; i++) {
        const struct kubeconfig_file *file = &kubeconfig->files[i];
        const json_t *entries = entries_of(file, kind);
        for (size_t j = 0; j < json_array_size(entries); j++) {
            const json_t *entry = json_array_get(entries, j);
            if (strcmp(entry_name(entry), name) != 0)
                continue;
            *out = (struct kubeconfig_entry){
                .what = kind,
                .name = entry_name(entry),
                .body = json_object_get(entry, kind),
                .file = file,
            };
            return true;
        }
    }
    return false;
}

int kubeconfig_names(struct strings *out, const struct kubeconfig *kubeconfig, const char *kind,
                     struct error **err) {
    for (size_t i = 0; i < kubeconfig->count; i++) {
        const json_t *entries = entries_of(&kubeconfig->files[i], kind);
        for (size_t j = 0; j < json_array_size(entries); j++) {
            const char *name = entry_name(json_array_get(entries, j));
            if (!strings_contain(out, name) && strings_add(out, name, err) < 0)
                return -1;
        }
    }
    return 0;
}

const char *kubeconfig_current_context(const struct kubeconfig *kubeconfig) {
    for (size_t i = 0; i < kubeconfig->count; i++) {
        const char *name = json_text_at(kubeconfig->files[i].document, "current-context", NULL);
        if (!text_is_empty(name))
            return name;
    }
    return NULL;
}
