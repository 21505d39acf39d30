/* What is asked for in each phase of reading the files of a commit. */

#include "gitlab_files_internal.h"

#include "base/text.h"
#include "model/gguf.h"

#include <string.h>

/* The paths that models have without any list; the weights are those of a model in one file. */
static const char *const usual_indices[] = {"model.safetensors.index.json",
                                            "pytorch_model.bin.index.json"};
static const char usual_weights[] = "model.safetensors";

static int ask(struct gitlab_files *reading, const struct files_ask *ask, struct error **err) {
    return files_round_ask(&reading->round, &reading->server, ask, err);
}

static int ask_for_tree(struct gitlab_files *reading, bool recursive, struct error **err) {
    const char *token = reading->page_token;
    return ask(reading,
               &(struct files_ask){
                   .purpose = FILES_FOR_TREE,
                   .url = text_format(err,
                                      "%s/api/v4/projects/%s/repository/tree?ref=%s%s&per_page=%d"
                                      "&pagination=keyset%s%s",
                                      reading->gitlab.base, reading->key, reading->model->commit,
                                      recursive ? "&recursive=true" : "", FILES_PAGE,
                                      token[0] != '\0' ? "&page_token=" : "", token),
                   .limit = FILES_TREE_LIMIT},
               err);
}

/* The text of a file as Git has it: of a file in LFS its pointer. */
static int ask_for_text(struct gitlab_files *reading, enum files_purpose purpose, const char *path,
                        size_t limit, struct error **err) {
    cleanup_free char *encoded = text_percent_encode(path, err);
    if (encoded == NULL)
        return -1;
    return ask(reading,
               &(struct files_ask){.purpose = purpose,
                                   .url = text_format(err,
                                                      "%s/api/v4/projects/%s/repository/files/%s/"
                                                      "raw?ref=%s",
                                                      reading->gitlab.base, reading->key, encoded,
                                                      reading->model->commit),
                                   .name = path,
                                   .limit = limit},
               err);
}

static int ask_for_configuration(struct gitlab_files *reading, bool blindly, struct error **err) {
    const struct {
        enum files_purpose purpose;
        const char *path;
        size_t limit;
    } texts[] = {
        {FILES_FOR_CONFIG, "config.json", FILES_CONFIG_LIMIT},
        {FILES_FOR_TOKENIZER, "tokenizer_config.json", FILES_TOKENIZER_LIMIT},
        {FILES_FOR_INDEX, usual_indices[0], FILES_INDEX_LIMIT},
        {FILES_FOR_INDEX, usual_indices[1], FILES_INDEX_LIMIT},
    };
    bool has_index = false;
    for (size_t i = 0; i < array_length(texts); i++) {
        bool index = texts[i].purpose == FILES_FOR_INDEX;
        if (!blindly &&
            (model_files_find(&reading->files, texts[i].path) == NULL || (index && has_index)))
            continue;
        has_index |= index;
        if (ask_for_text(reading, texts[i].purpose, texts[i].path, texts[i].limit, err) < 0)
            return -1;
    }
    return 0;
}

/* Files in the order in which their sizes matter: weights first. Owned array of COUNT pointers. */
static const struct model_file **by_weight(const struct model_files *files, size_t *count) {
    const struct model_file **order = calloc(files->count + 1, sizeof(*order));
    size_t filled = 0;
    for (int pass = 0; pass < 2 && order != NULL; pass++)
        for (size_t i = 0; i < files->count; i++)
            if (model_file_is_weights(files->items[i].path) == (pass == 0))
                order[filled++] = &files->items[i];
    *count = filled;
    return order;
}

static int ask_for_sizes(struct gitlab_files *reading, struct error **err) {
    size_t count = 0;
    const struct model_file **order = by_weight(&reading->files, &count);
    if (order == NULL)
        return error_no_memory(err);
    if (count > FILES_SIZED)
        count = FILES_SIZED;
    int result = 0;
    for (size_t start = 0; start < count && result == 0; start += FILES_SIZES) {
        size_t some = count - start < FILES_SIZES ? count - start : FILES_SIZES;
        char *body = files_size_query(reading->model, order + start, some, err);
        result = body == NULL ? -1
                              : ask(reading,
                                    &(struct files_ask){.purpose = FILES_FOR_SIZES,
                                                        .url = text_format(err, "%s/api/graphql",
                                                                           reading->gitlab.base),
                                                        .body = body,
                                                        .limit = FILES_ANSWER_LIMIT},
                                    err);
    }
    free(order);
    return result;
}

static int ask_for_pointers(struct gitlab_files *reading, struct error **err) {
    for (size_t i = 0; i < reading->files.count && reading->pointers < FILES_POINTERS &&
                       reading->round.count < FILES_AT_ONCE;
         i++) {
        struct model_file *file = &reading->files.items[i];
        if (file->size >= 0 || file->asked || !model_file_is_weights(file->path))
            continue;
        file->asked = true;
        reading->pointers++;
        if (ask_for_text(reading, FILES_FOR_POINTER, file->path, FILES_POINTER_LIMIT, err) < 0)
            return -1;
    }
    return 0;
}

static int ask_for_some_objects(struct gitlab_files *reading, const struct model_file *const *some,
                                size_t count, struct error **err) {
    char *body = files_batch_body(some, count, err);
    if (body == NULL)
        return -1;
    return ask(reading,
               &(struct files_ask){.purpose = FILES_FOR_OBJECTS,
                                   .url = text_copy(reading->lfs, err),
                                   .body = body,
                                   .limit = FILES_ANSWER_LIMIT},
               err);
}

static int ask_for_objects(struct gitlab_files *reading, struct error **err) {
    const struct model_file *some[FILES_OBJECTS];
    size_t count = 0;
    for (size_t i = 0; i < reading->files.count && reading->objects < FILES_OBJECTS_MOST; i++) {
        if (reading->files.items[i].object != MODEL_OBJECT_UNKNOWN)
            continue;
        some[count++] = &reading->files.items[i];
        reading->objects++;
        if (count < FILES_OBJECTS)
            continue;
        if (ask_for_some_objects(reading, some, count, err) < 0)
            return -1;
        count = 0;
    }
    return count > 0 ? ask_for_some_objects(reading, some, count, err) : 0;
}

/* GitLab's raw endpoint with lfs=true serves the object itself, Range too. */
static int ask_for_beginning(struct gitlab_files *reading, struct error **err) {
    const struct model_file *file = model_files_gguf(&reading->files);
    if (file == NULL || reading->files.config != NULL || reading->gitlab.base == NULL ||
        file->object == MODEL_OBJECT_MISSING)
        return 0;
    cleanup_free char *encoded = text_percent_encode(file->path, err);
    if (encoded == NULL)
        return -1;
    return ask(reading,
               &(struct files_ask){.purpose = FILES_FOR_BEGINNING,
                                   .url = text_format(err,
                                                      "%s/api/v4/projects/%s/repository/files/%s/"
                                                      "raw?ref=%s&lfs=true",
                                                      reading->gitlab.base, reading->key, encoded,
                                                      reading->model->commit),
                                   .limit = GGUF_BEGINNING},
               err);
}

static int ask_elsewhere(struct gitlab_files *reading, struct error **err) {
    if (reading->elsewhere == NULL)
        return 0;
    return ask(reading,
               &(struct files_ask){.purpose = FILES_FOR_ELSEWHERE,
                                   .url = text_copy(reading->elsewhere, err),
                                   .limit = GGUF_BEGINNING},
               err);
}

int files_fill_round(struct gitlab_files *reading, struct error **err) {
    switch (reading->phase) {
    case PHASE_TREE:
        return ask_for_tree(reading, true, err);
    case PHASE_TOP:
        return ask_for_tree(reading, false, err);
    case PHASE_SIZES:
        return ask_for_configuration(reading, false, err) < 0 ? -1 : ask_for_sizes(reading, err);
    case PHASE_GUESS:
        return ask_for_configuration(reading, true, err) < 0
                   ? -1
                   : ask_for_text(reading, FILES_FOR_POINTER, usual_weights, FILES_POINTER_LIMIT,
                                  err);
    case PHASE_POINTERS:
        return ask_for_pointers(reading, err);
    case PHASE_OBJECTS:
        return ask_for_objects(reading, err);
    case PHASE_BEGINNING:
        return ask_for_beginning(reading, err);
    case PHASE_ELSEWHERE:
        return ask_elsewhere(reading, err);
    case PHASE_END:
        break;
    }
    return 0;
}
