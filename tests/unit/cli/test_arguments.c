/* argv and environment -> inputs, settings, problems: DESIGN's rules of the command line. */

#include "../cmocka_all.h"

#include "base/memory.h"
#include "base/text.h"
#include "cli/arguments.h"

#include <stdlib.h>
#include <string.h>

/* Parses the words (ends with NULL) behind the program's name. */
static struct invocation parse(const char *const *variables, const char *const *words) {
    const char *argv[32] = {"deploy-inference-service"};
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = words[argc - 1];
    struct invocation invocation = {.command = COMMAND_DEPLOY};
    const struct environment environment = {.variables = variables};
    struct error *error = NULL;
    assert_int_equal(arguments_parse(&invocation, argc, argv, &environment, &error), 0);
    assert_null(error);
    return invocation;
}

#define WORDS(...)       ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING          ((const char *const[]){NULL})
#define ENVIRONMENT(...) WORDS(__VA_ARGS__)

/* The one problem there is. */
static void assert_problem(const struct invocation *invocation, const char *parameter,
                           const char *message, const char *hint) {
    assert_int_equal(invocation->problems.errors, 1);
    const struct problem *problem = &invocation->problems.items[0];
    assert_string_equal(problem->parameter, parameter);
    if (strstr(problem->message, message) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", problem->message, message);
    if (hint != NULL && (problem->hint == NULL || strstr(problem->hint, hint) == NULL))
        fail_msg("hint \"%s\" lacks \"%s\"", problem->hint != NULL ? problem->hint : "", hint);
}

static void defaults_are_those_of_the_script(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, NOTHING);
    assert_int_equal(parsed.command, COMMAND_DEPLOY);
    assert_false(parsed.command_given);
    assert_int_equal(parsed.problems.count, 0);
    assert_true(parsed.inputs.update_if_exists);
    assert_false(parsed.inputs.serverless);
    assert_int_equal(parsed.inputs.min_replicas, 1);
    assert_int_equal(parsed.inputs.max_replicas, 1);
    assert_string_equal(parsed.inputs.cpu_request, "1");
    assert_string_equal(parsed.inputs.cpu_limit, "4");
    assert_string_equal(parsed.inputs.memory_request, "4Gi");
    assert_string_equal(parsed.inputs.memory_limit, "16Gi");
    assert_string_equal(parsed.inputs.gpu_count, "1");
    assert_string_equal(parsed.inputs.gpu_cores, "50");
    assert_string_equal(parsed.inputs.gpu_memory, "4096");
    assert_string_equal(parsed.inputs.nvidia_gpu, "");
    assert_string_equal(parsed.inputs.ephemeral_storage_size, "10Gi");
    assert_int_equal(parsed.inputs.timeout_ms, 25 * 60 * 1000);
    invocation_free(&parsed);
}

static void command_line_comes_before_environment_and_default(void **state) {
    (void)state;
    const char *const *environment =
        ENVIRONMENT("MODEL_REPO=by-environment", "CPU_LIMIT=8", "NAMESPACE=demo");
    struct invocation parsed = parse(environment, WORDS("MODEL_REPO=by-argument"));
    assert_string_equal(parsed.inputs.model_repo, "by-argument");
    assert_string_equal(parsed.inputs.cpu_limit, "8");
    assert_string_equal(parsed.inputs.namespace_, "demo");
    invocation_free(&parsed);
}

static void the_last_of_several_counts(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, WORDS("CPU_LIMIT=2", "--cpu-limit", "3", "CPU_LIMIT=5",
                                                 "--model-repo=a", "MODEL_REPO=b"));
    assert_string_equal(parsed.inputs.cpu_limit, "5");
    assert_string_equal(parsed.inputs.model_repo, "b");
    invocation_free(&parsed);
}

static void every_spelling_of_an_option(void **state) {
    (void)state;
    const char *const *const spellings[] = {
        WORDS("render", "--namespace", "demo"), WORDS("render", "--namespace=demo"),
        WORDS("render", "-n", "demo"),          WORDS("render", "-ndemo"),
        WORDS("render", "NAMESPACE=demo"),      WORDS("-n", "demo", "render"),
    };
    for (size_t i = 0; i < array_length(spellings); i++) {
        struct invocation parsed = parse(NULL, spellings[i]);
        assert_int_equal(parsed.problems.errors, 0);
        assert_int_equal(parsed.command, COMMAND_RENDER);
        assert_string_equal(parsed.inputs.namespace_, "demo");
        invocation_free(&parsed);
    }
}

static void both_spellings_of_ephemeral_storage(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, WORDS("EPHEMERAL_STORAGE_SIZE=20Gi"));
    assert_int_equal(parsed.problems.errors, 0);
    assert_string_equal(parsed.inputs.ephemeral_storage_size, "20Gi");
    invocation_free(&parsed);
    parsed = parse(ENVIRONMENT("EPHEMERAL_STORAGE_SIZE=30Gi"), NOTHING);
    assert_string_equal(parsed.inputs.ephemeral_storage_size, "30Gi");
    invocation_free(&parsed);
    parsed =
        parse(ENVIRONMENT("EPHIMERAL_STORAGE_SIZE=40Gi", "EPHEMERAL_STORAGE_SIZE=30Gi"), NOTHING);
    assert_string_equal(parsed.inputs.ephemeral_storage_size, "40Gi");
    invocation_free(&parsed);
}

static void empty_means_not_set(void **state) {
    (void)state;
    struct invocation parsed = parse(ENVIRONMENT("UPDATE_IF_EXISTS=", "MIN_REPLICAS="),
                                     WORDS("TIMEOUT=", "MODEL_REPO_TAG=", ""));
    assert_int_equal(parsed.problems.count, 0);
    assert_true(parsed.inputs.update_if_exists);
    assert_int_equal(parsed.inputs.min_replicas, 1);
    assert_int_equal(parsed.inputs.timeout_ms, 25 * 60 * 1000);
    assert_string_equal(parsed.inputs.tag, "");
    invocation_free(&parsed);
}

static void values_stay_as_they_are(void **state) {
    (void)state;
    struct invocation parsed =
        parse(NULL, WORDS("INFERENCE_SERVICE_DESCRIPTION= a=b 'c' \"d\" $HOME\n", "ENV=A=1\nB==2"));
    assert_string_equal(parsed.inputs.description, " a=b 'c' \"d\" $HOME\n");
    assert_string_equal(parsed.inputs.env, "A=1\nB==2");
    invocation_free(&parsed);
}

static void unknown_names_suggest_the_nearest(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, WORDS("MODEL_REPPO=x"));
    assert_problem(&parsed, "MODEL_REPPO", "no parameter MODEL_REPPO", "MODEL_REPO?");
    invocation_free(&parsed);
    parsed = parse(NULL, WORDS("--kubeconfg", "x"));
    assert_true(parsed.problems.errors >= 1);
    assert_string_equal(parsed.problems.items[0].hint, "did you mean --kubeconfig?");
    invocation_free(&parsed);
    parsed = parse(NULL, WORDS("rendr"));
    assert_problem(&parsed, "rendr", "no command", "render");
    invocation_free(&parsed);
    parsed = parse(NULL, WORDS("-x"));
    assert_problem(&parsed, "x", "no option -x", NULL);
    invocation_free(&parsed);
    /* NAME=VALUE is spelled exactly, as the script's `export` has it; options have no such form */
    parsed = parse(NULL, WORDS("model_repo=x"));
    assert_problem(&parsed, "model_repo", "no parameter", "MODEL_REPO");
    invocation_free(&parsed);
    parsed = parse(NULL, WORDS("kubeconfig=x"));
    assert_problem(&parsed, "kubeconfig", "no parameter", NULL);
    invocation_free(&parsed);
}

static void unknown_environment_is_no_problem(void **state) {
    (void)state;
    struct invocation parsed =
        parse(ENVIRONMENT("MODEL_REPPO=x", "KUBECONFIG=y", "nonsense"), NOTHING);
    assert_int_equal(parsed.problems.count, 0);
    assert_string_equal(parsed.settings.kubeconfig, "");
    invocation_free(&parsed);
}

static void every_problem_is_found_in_one_run(void **state) {
    (void)state;
    struct invocation parsed =
        parse(ENVIRONMENT("HOST_IPC=maybe"), WORDS("MIN_REPLICAS=x", "TIMEOUT=1x", "MODEL_CHECK=on",
                                                   "NOPE=1", "--log-level", "loud"));
    assert_int_equal(parsed.problems.errors, 6);
    static const char *const named[] = {"NOPE",        "MIN_REPLICAS", "TIMEOUT",
                                        "MODEL_CHECK", "HOST_IPC",     "log-level"};
    for (size_t i = 0; i < array_length(named); i++) {
        bool found = false;
        for (size_t j = 0; j < parsed.problems.count; j++)
            found = found || text_equal(parsed.problems.items[j].parameter, named[i]);
        if (!found)
            fail_msg("no problem names %s", named[i]);
    }
    invocation_free(&parsed);
}

static void bad_values_name_rule_and_value(void **state) {
    (void)state;
    static const struct {
        const char *word;
        const char *parameter;
        const char *message;
        const char *hint;
    } cases[] = {
        {"UPDATE_IF_EXISTS=True", "UPDATE_IF_EXISTS", "\"True\": it must be true or false",
         "small"},
        {"ENABLE_SERVERLESS=yes", "ENABLE_SERVERLESS", "\"yes\"", NULL},
        {"MAX_REPLICAS=1.5", "MAX_REPLICAS", "whole number", NULL},
        {"MIN_REPLICAS=-1", "MIN_REPLICAS", "whole number from 0", NULL},
        {"MAX_REPLICAS= 3", "MAX_REPLICAS", "whole number", NULL},
        {"MIN_REPLICAS=99999999999999999999", "MIN_REPLICAS", "whole number", NULL},
        {"TIMEOUT=25min", "TIMEOUT", "duration", "25m"},
        {"ON_FAILURE=rolback", "ON_FAILURE", "one of keep, rollback", "rollback"},
        {"--color=blue", "color", "one of auto, always, never", NULL},
        {"MODEL_REPO=\xff", "MODEL_REPO", "not valid UTF-8", NULL},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        struct invocation parsed = parse(NULL, WORDS(cases[i].word));
        assert_problem(&parsed, cases[i].parameter, cases[i].message, cases[i].hint);
        invocation_free(&parsed);
    }
}

static void values_of_the_environment_are_known_as_such(void **state) {
    (void)state;
    struct invocation parsed =
        parse(ENVIRONMENT("CPU_LIMIT=x", "MODEL_REPO=a"), WORDS("MODEL_REPO=b"));
    for (size_t i = 0; i < parameters_count; i++)
        assert_int_equal(parsed.from_environment[i], text_equal(parameters[i].name, "CPU_LIMIT"));
    invocation_free(&parsed);
}

static void a_word_that_is_no_command_is_marked(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, WORDS("rendr", "-n", "demo"));
    assert_true(parsed.command_unknown);
    invocation_free(&parsed);
    parsed = parse(NULL, WORDS("render", "rendr"));
    assert_false(parsed.command_unknown);
    invocation_free(&parsed);
}

static void secrets_are_refused_on_the_command_line(void **state) {
    (void)state;
    static const char *const words[] = {"GITLAB_TOKEN=glpat-secret", "--gitlab-token=glpat-secret"};
    for (size_t i = 0; i < array_length(words); i++) {
        struct invocation parsed = parse(NULL, WORDS(words[i]));
        assert_problem(&parsed, "GITLAB_TOKEN", "must not stand on the command line",
                       "environment");
        assert_null(strstr(parsed.problems.items[0].message, "glpat"));
        assert_string_equal(parsed.inputs.gitlab_token, "");
        invocation_free(&parsed);
    }
    /* a Pipeline passes an empty default along: no secret, and the environment still counts */
    struct invocation parsed = parse(ENVIRONMENT("GITLAB_TOKEN=t"), WORDS("GITLAB_TOKEN="));
    assert_int_equal(parsed.problems.errors, 0);
    assert_string_equal(parsed.inputs.gitlab_token, "t");
    invocation_free(&parsed);
}

static void options_of_other_commands_are_refused(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, WORDS("deploy", "--offline"));
    assert_problem(&parsed, "offline", "--offline does not belong to the command deploy", NULL);
    invocation_free(&parsed);
    /* parameters are a Pipeline's whole set, whatever the command */
    parsed = parse(NULL, WORDS("wait", "qwen", "CPU_LIMIT=3"));
    assert_int_equal(parsed.problems.errors, 0);
    invocation_free(&parsed);
}

static void an_option_needs_its_value(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, WORDS("render", "--kubeconfig"));
    assert_problem(&parsed, "kubeconfig", "--kubeconfig needs a value", NULL);
    invocation_free(&parsed);
}

static void operands(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, WORDS("wait", "qwen", "--for", "deleted"));
    assert_int_equal(parsed.command, COMMAND_WAIT);
    assert_int_equal(parsed.operands.count, 1);
    assert_string_equal(parsed.operands.items[0], "qwen");
    assert_string_equal(parsed.settings.wait_for, "deleted");
    invocation_free(&parsed);
    /* a service may have a command's name */
    parsed = parse(NULL, WORDS("wait", "render"));
    assert_string_equal(parsed.operands.items[0], "render");
    invocation_free(&parsed);
    parsed = parse(NULL, WORDS("render", "qwen"));
    assert_problem(&parsed, "qwen", "render takes no word", "INFERENCE_SERVICE_NAME=qwen");
    invocation_free(&parsed);
}

static void two_dashes_end_options(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, WORDS("wait", "--", "--help"));
    assert_int_equal(parsed.problems.errors, 0);
    assert_false(parsed.settings.help);
    assert_string_equal(parsed.operands.items[0], "--help");
    invocation_free(&parsed);
}

static void an_empty_array_of_tekton_is_nothing(void **state) {
    (void)state;
    struct invocation parsed = parse(NULL, WORDS("", "NAMESPACE=demo", ""));
    assert_int_equal(parsed.problems.count, 0);
    assert_int_equal(parsed.command, COMMAND_DEPLOY);
    assert_string_equal(parsed.inputs.namespace_, "demo");
    invocation_free(&parsed);
}

static void the_table_is_sound(void **state) {
    (void)state;
    assert_true(parameters_count < 128);
    size_t of_script = 0;
    for (size_t i = 0; i < parameters_count; i++) {
        const struct parameter *parameter = &parameters[i];
        of_script += parameter->of_script;
        assert_ptr_equal(parameter_find(parameter->name), parameter);
        assert_non_null(parameter->help);
        assert_true(parameter_is_option(parameter) || parameter->help_zh != NULL);
        assert_int_not_equal(parameter->commands, 0);
        if (parameter->letter != '\0')
            assert_ptr_equal(parameter_find_letter(parameter->letter), parameter);
    }
    assert_int_equal(of_script, 22);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_script),
        cmocka_unit_test(command_line_comes_before_environment_and_default),
        cmocka_unit_test(the_last_of_several_counts),
        cmocka_unit_test(every_spelling_of_an_option),
        cmocka_unit_test(both_spellings_of_ephemeral_storage),
        cmocka_unit_test(empty_means_not_set),
        cmocka_unit_test(values_stay_as_they_are),
        cmocka_unit_test(unknown_names_suggest_the_nearest),
        cmocka_unit_test(unknown_environment_is_no_problem),
        cmocka_unit_test(every_problem_is_found_in_one_run),
        cmocka_unit_test(bad_values_name_rule_and_value),
        cmocka_unit_test(values_of_the_environment_are_known_as_such),
        cmocka_unit_test(a_word_that_is_no_command_is_marked),
        cmocka_unit_test(secrets_are_refused_on_the_command_line),
        cmocka_unit_test(options_of_other_commands_are_refused),
        cmocka_unit_test(an_option_needs_its_value),
        cmocka_unit_test(operands),
        cmocka_unit_test(two_dashes_end_options),
        cmocka_unit_test(an_empty_array_of_tekton_is_nothing),
        cmocka_unit_test(the_table_is_sound),
    };
    return cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
}
