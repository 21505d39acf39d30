#include "gitlab_internal.h"

#include "base/text.h"

#include <string.h>

/* A 404 that is about the file: "404 File Not Found". The others are about the ref or the
 * repository. */
static int refuse(const struct http_response *response, const char *what, const char *path,
                  const char *place, const char *readme_name, struct error **err) {
    cleanup_free char *text = gitlab_answer_text(response, err);
    if (text == NULL)
        return -1;
    if (response->status != 404 || strstr(text, "File") == NULL)
        return gitlab_status_error(err, response, what);
    bool other_name = !text_is_empty(readme_name) && strcmp(readme_name, "README.md") != 0;
    model_no_readme(path, place, other_name ? readme_name : NULL, err);
    return error_set_answer(err, 404, NULL);
}

int gitlab_take_file(struct gitlab_file *out, struct http_result *result, const char *path,
                     const char *place, const char *readme_name, struct error **err) {
    if (result->too_large) {
        error_new(err, ERROR_MODEL, "README.md of %s at %s is larger than 10 MiB", path, place);
        return error_hint(err, "Set PIPELINE_TAG and LIBRARY_NAME: the file is then not read.");
    }
    if (result->error != NULL)
        return error_take(err, steal_pointer(result->error));
    cleanup_free char *what = text_format(err, "README.md of %s at %s", path, place);
    if (what == NULL)
        return -1;
    if (result->response.status != 200)
        return refuse(&result->response, what, path, place, readme_name, err);
    return gitlab_parse_file(out, &result->response, what, err);
}

int gitlab_read_card(struct model *model, const struct gitlab *gitlab, const char *key,
                     const char *readme_name, struct error **err) {
    cleanup(http_result_free) struct http_result result = {0};
    struct gitlab_get get = {gitlab_readme_url(gitlab, key, model->commit, err),
                             GITLAB_README_LIMIT};
    char place[MODEL_SHORT_COMMIT];
    model_short_commit(model->commit, place);
    cleanup_gitlab_file struct gitlab_file file = {0};
    if (gitlab_send(gitlab, &get, 1, &result, err) < 0 ||
        gitlab_take_file(&file, &result, model->path, place, readme_name, err) < 0)
        return -1;
    return model_take_card(model, gitlab->request, file.content.data, file.content.length, err);
}
