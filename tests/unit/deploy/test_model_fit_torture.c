/* Every allocation of a judgement fails once: an error comes back, nothing leaks, the report stays
 * as it was. */

#include "../cmocka_all.h"

#include "../torture.h"

#include "base/text.h"
#include "deploy/model_check.h"
#include "deploy/model_fit.h"

#include <string.h>

static const char config[] =
    "{\"hidden_size\":4096,\"num_attention_heads\":32,\"num_hidden_layers\":32,"
    "\"num_key_value_heads\":8,\"max_position_embeddings\":131072,\"vocab_size\":128256}";

struct world {
    struct model_files files;
    struct inputs inputs;
    json_t *runtime;
};

static void add(struct model_files *files, const char *path, int64_t size,
                enum model_object object) {
    struct model_file *file = model_files_add(files, path, NULL);
    assert_non_null(file);
    file->size = size;
    file->object = object;
}

static void set(char **field, const char *text) {
    free(*field);
    *field = text_copy(text, NULL);
}

static void begin(struct world *world, bool broken) {
    *world = (struct world){0};
    assert_int_equal(inputs_init(&world->inputs, NULL), 0);
    set(&world->inputs.gpu_count, "2");
    set(&world->inputs.gpu_memory, "12000");
    set(&world->inputs.ephemeral_storage_size, "20Gi");
    world->files.config = text_copy(config, NULL);
    add(&world->files, "model-1.safetensors", (int64_t)8 << 30,
        broken ? MODEL_OBJECT_MISSING : MODEL_OBJECT_PRESENT);
    add(&world->files, "config.json", 200, MODEL_OBJECT_PLAIN);
    world->files.index_path = text_copy("model.safetensors.index.json", NULL);
    assert_int_equal(strings_add(&world->files.shards, "model-1.safetensors", NULL), 0);
    if (broken)
        assert_int_equal(strings_add(&world->files.shards, "model-2.safetensors", NULL), 0);
    world->runtime = json_pack("{s:{s:[{s:s, s:[s,s,s,s,s]}]}}", "spec", "containers", "name",
                               "kserve-container", "command", "vllm", "serve",
                               "--tensor-parallel-size", "$CARDS", "--max-model-len=$LENGTH");
}

static void end(struct world *world) {
    model_files_free(&world->files);
    inputs_free(&world->inputs);
    json_decref(world->runtime);
}

static int judge(void *user) {
    const struct world *world = user;
    const struct fit_request request = {.files = &world->files,
                                        .inputs = &world->inputs,
                                        .runtime = world->runtime,
                                        .card_bytes = -1,
                                        .volume_bytes = -1};
    struct fit_report report = {.count = 77};
    cleanup_error struct error *error = NULL;
    if (model_fit(&report, &request, &error) < 0) {
        assert_non_null(error);
        assert_int_equal(report.count, 77);
        return -1;
    }
    assert_in_range(report.count, 3, FIT_SUBJECTS);
    char *text = model_check_explain(&report, "EphemeralStorageExceeded");
    free(text);
    fit_report_free(&report);
    return 0;
}

static void judgements_survive(void **state) {
    (void)state;
    for (int broken = 0; broken < 2; broken++) {
        struct world world;
        begin(&world, broken == 1);
        torture(judge, &world);
        end(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(judgements_survive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
