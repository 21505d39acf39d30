#include "model_internal.h"

#include "base/text.h"

#include <string.h>

static const char both_overrides[] = "PIPELINE_TAG and LIBRARY_NAME";

int model_take_overrides(struct model *model, const struct model_request *request,
                         struct error **err) {
    if (model_set(&model->pipeline_tag, request->pipeline_tag, err) < 0 ||
        model_set(&model->library_name, request->library_name, err) < 0)
        return -1;
    return model_set(&model->card_origin, both_overrides, err);
}

static int missing_key(const char *what, const char *key, const char *parameter,
                       const char *example, struct error **err) {
    error_new(err, ERROR_MODEL, "%s has no %s", what, key);
    return error_hint(
        err,
        "Write '%s: %s' (or what fits the model) between the two '---' lines at the top "
        "of README.md, or set %s.",
        key, example, parameter);
}

/* The override when it is given, else the card's value, which must be there. */
static int choose(char **field, const char *override, const char *value, struct error **err) {
    return model_set(field, text_is_empty(override) ? value : override, err);
}

/* A file that cannot be read as a card can still be deployed. */
static int suggest_overrides(struct error **err) {
    if (err != NULL && *err != NULL && (*err)->kind == ERROR_MODEL && (*err)->hint == NULL)
        error_hint(err, "Correct README.md, or set PIPELINE_TAG and LIBRARY_NAME.");
    return -1;
}

int model_take_card(struct model *model, const struct model_request *request, const char *readme,
                    size_t length, struct error **err) {
    char commit[MODEL_SHORT_COMMIT];
    model_short_commit(model->commit, commit);
    cleanup_free char *what = text_format(err, "README.md of %s at %s", model->path, commit);
    cleanup_free char *origin = text_format(err, "README.md at %s", commit);
    if (what == NULL || origin == NULL)
        return -1;

    bool tag_given = !text_is_empty(request->pipeline_tag);
    bool library_given = !text_is_empty(request->library_name);
    unsigned wanted =
        (tag_given ? 0u : CARD_PIPELINE_TAG) | (library_given ? 0u : CARD_LIBRARY_NAME);
    cleanup_card struct card card = {0};
    if (card_parse(&card, wanted, readme, length, what, err) < 0)
        return suggest_overrides(err);

    bool no_tag = !tag_given && card.pipeline_tag[0] == '\0';
    bool no_library = !library_given && card.library_name[0] == '\0';
    if (no_tag && no_library) {
        error_new(err, ERROR_MODEL, "%s has neither pipeline_tag nor library_name", what);
        return error_hint(err,
                          "Write both between two '---' lines at the very top of README.md, for "
                          "example 'pipeline_tag: text-generation' and 'library_name: "
                          "transformers', or set PIPELINE_TAG and LIBRARY_NAME.");
    }
    if (no_tag)
        return missing_key(what, "pipeline_tag", "PIPELINE_TAG", "text-generation", err);
    if (no_library)
        return missing_key(what, "library_name", "LIBRARY_NAME", "transformers", err);

    if (choose(&model->pipeline_tag, request->pipeline_tag, card.pipeline_tag, err) < 0 ||
        choose(&model->library_name, request->library_name, card.library_name, err) < 0)
        return -1;
    free(model->card_origin);
    model->card_origin = steal_pointer(origin);
    return 0;
}

int model_no_readme(const char *path, const char *place, const char *found_name,
                    struct error **err) {
    error_new(err, ERROR_MODEL, "%s has no README.md at %s", path, place);
    if (!text_is_empty(found_name))
        return error_hint(err,
                          "It has %s: the file must be called README.md, in these letters. Or set "
                          "PIPELINE_TAG and LIBRARY_NAME.",
                          found_name);
    return error_hint(err,
                      "Add README.md with pipeline_tag and library_name between two '---' lines, "
                      "or set PIPELINE_TAG and LIBRARY_NAME.");
}
