#include "cli/commands.h"

#include "base/strings.h"
#include "base/text.h"

static const char *const yaml_or_json[] = {"yaml", "json", NULL};
static const char *const text_or_json[] = {"text", "json", NULL};
static const char *const table_or_json[] = {"table", "json", NULL};

/* One entry reads as one block. Examples are command lines that tests/integration runs. */
/* clang-format off */
const struct command commands[] = {
    {
        .name = "deploy",
        .bit = COMMAND_DEPLOY,
        .needs = NEEDS_NETWORK,
        .summary = "deploy a model and wait until this revision of it serves (default)",
        .description =
            "Resolves the model repository to one commit, selects the serving runtime, renders the "
            "InferenceService, applies it and waits until the revision it made serves. Ends with "
            "exit code 0 only then; otherwise it says in one sentence what is wrong, shows the "
            "evidence and what to change. Running it again with the same parameters changes "
            "nothing and takes up a rollout that is still under way. INFERENCE_SERVICE_NAME, "
            "RUNTIME_CLASS or RUNTIME_NAME, and one of MODEL_REPO, MODEL_GIT_URL, STORAGE_URI and "
            "MODEL_DIR are needed; everything else has a default.",
        .examples =
            "deploy-inference-service INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen RUNTIME_CLASS=vllm\n"
            "deploy-inference-service -n demo INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen \\\n"
            "    MODEL_REPO_TAG=v2 RUNTIME_NAME=vllm-cuda-12 ON_FAILURE=rollback TIMEOUT=40m\n"
            "deploy-inference-service INFERENCE_SERVICE_NAME=qwen RUNTIME_CLASS=vllm --model-dir .\n"
            "deploy-inference-service INFERENCE_SERVICE_NAME=qwen RUNTIME_CLASS=vllm \\\n"
            "    STORAGE_URI=oci://registry.example.com/models/qwen:1 \\\n"
            "    PIPELINE_TAG=text-generation LIBRARY_NAME=transformers\n",
        .run = command_deploy,
    },
    {
        .name = "render",
        .bit = COMMAND_RENDER,
        .needs = NEEDS_NETWORK,
        .summary = "print the InferenceService that deploy would apply; change nothing",
        .description =
            "Resolves everything as deploy does and prints the InferenceService as YAML (default) "
            "or JSON (-o json). The same parameters give the same bytes. With --offline no server "
            "is asked: NAMESPACE, --runtime-file, PIPELINE_TAG, LIBRARY_NAME, and MODEL_REPO_COMMIT "
            "or STORAGE_URI then say what servers would. UPDATE_IF_EXISTS=false is looked past, with a notice.",
        .examples =
            "deploy-inference-service render INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen \\\n"
            "    RUNTIME_CLASS=vllm --comments\n"
            "kubectl get clusterservingruntime vllm-cuda-12 -o yaml > runtime.yaml\n"
            "deploy-inference-service render --offline --runtime-file runtime.yaml -n demo \\\n"
            "    INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen RUNTIME_NAME=vllm-cuda-12 \\\n"
            "    MODEL_REPO_COMMIT=1f0c8a5be5d6a1c1a1c2c0d8a4c3f8e0b7a6d5c4 \\\n"
            "    PIPELINE_TAG=text-generation LIBRARY_NAME=transformers\n",
        .formats = yaml_or_json,
        .run = command_render,
    },
    {
        .name = "diff",
        .bit = COMMAND_DIFF,
        .needs = NEEDS_NETWORK,
        .summary = "show what deploy would change; exit code 0 for nothing, 10 for something",
        .description =
            "Sends the InferenceService as a server-side dry run, so that admission webhooks have "
            "their say, and shows the difference to the live object without server noise. Fields "
            "that an earlier `kubectl apply` left behind are shown as deploy would remove them. "
            "-o json gives {changed, changes: [{path, before, after}]} with JSON Pointers as "
            "paths. With UPDATE_IF_EXISTS=false the difference is shown all the same, with a "
            "notice.",
        .examples =
            "deploy-inference-service diff INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen \\\n"
            "    RUNTIME_CLASS=vllm MEMORY_LIMIT=32Gi\n"
            "deploy-inference-service diff INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen \\\n"
            "    RUNTIME_CLASS=vllm -o json | jq -r '.changes[].path'\n",
        .formats = text_or_json,
        .run = command_diff,
    },
    {
        .name = "preflight",
        .bit = COMMAND_PREFLIGHT,
        .needs = NEEDS_NETWORK,
        .summary = "check everything that a deploy needs; change nothing",
        .description =
            "Makes every check that can be made before anything is touched: parameters, cluster, "
            "KServe, rights, GitLab, model, runtime, the live object, a dry run with all admission "
            "webhooks, Pod Security, quotas, limits, nodes, volume. Each is ok, warn, fail or "
            "skipped with the reason, and says what to do. The order is that in which a deploy "
            "would meet them: the exit code is that of the first failure, 0 when nothing fails. "
            "-o json gives {verdict, summary, checks: [{group, name, state, message, hint}]}. What "
            "the account may not read is skipped; `rbac --preflight` prints the rights for all "
            "checks.",
        .examples =
            "deploy-inference-service preflight INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen \\\n"
            "    RUNTIME_CLASS=vllm -n demo\n"
            "deploy-inference-service preflight INFERENCE_SERVICE_NAME=qwen MODEL_REPO=qwen \\\n"
            "    RUNTIME_CLASS=vllm -o json | jq '.checks[] | select(.state == \"fail\")'\n",
        .formats = table_or_json,
        .run = command_preflight,
    },
    {
        .name = "wait",
        .bit = COMMAND_WAIT,
        .needs = NEEDS_NETWORK,
        .operands = "NAME",
        .summary = "wait for an InferenceService that somebody else applied",
        .description =
            "Follows the rollout of an existing InferenceService with the same truth and diagnosis "
            "as deploy. --for=ready (default), deleted or failed. --record keeps what was seen, "
            "without secrets; --replay judges such a file again, without a cluster, with the "
            "PATIENCE that is given instead of the recorded one. The end of the file counts as the "
            "deadline (exit code 8). The format: tests/unit/deploy/transcripts/README.md in the "
            "sources.",
        .examples =
            "deploy-inference-service wait qwen -n demo --timeout 10m --record rollout.jsonl\n"
            "deploy-inference-service wait qwen -n demo --for=deleted\n"
            "deploy-inference-service wait --replay rollout.jsonl\n",
        .run = command_wait,
    },
    {
        .name = "rbac",
        .bit = COMMAND_RBAC,
        .needs = NEEDS_NOTHING,
        .summary = "print the ServiceAccount, Role and bindings that the step needs",
        .description =
            "Prints YAML for `kubectl apply -f -`: the least rights that deploy needs, and "
            "on request those that let it explain a failed rollout (--diagnostics) and those that "
            "let preflight make all its checks (--preflight). Each ServiceAccount has a Role of its "
            "own: what is printed for one does not touch another.",
        .examples =
            "deploy-inference-service rbac -n demo --diagnostics | kubectl apply -f -\n"
            "deploy-inference-service rbac -n demo --service-account deployer -o json\n",
        .formats = yaml_or_json,
        .run = command_rbac,
    },
    {
        .name = "version",
        .bit = COMMAND_VERSION,
        .needs = NEEDS_NOTHING,
        .summary = "print version, commit, library and TLS versions",
        .description = "Prints what this binary is made of; -o json for programs.",
        .examples = "deploy-inference-service version -o json\n",
        .formats = text_or_json,
        .run = command_version,
    },
    {
        .name = "help",
        .bit = COMMAND_HELP,
        .needs = NEEDS_NOTHING,
        .operands = "[COMMAND]",
        .summary = "show help for a command",
        .description =
            "Shows the general help, or that of one command with its parameters and options. "
            "`help man` prints the manual page in roff, `help json` (or -o json) all "
            "parameters for programs.",
        .examples =
            "deploy-inference-service help deploy\n"
            "deploy-inference-service help man | man -l -\n",
        .formats = text_or_json,
        .run = command_help,
    },
    {
        .name = "completion",
        .bit = COMMAND_COMPLETION,
        .needs = NEEDS_NOTHING,
        .operands = "bash|zsh|fish",
        .summary = "print shell completion",
        .description =
            "Prints a completion script for the shell; it completes commands, parameters, options "
            "and their values.",
        .examples =
            "source <(deploy-inference-service completion bash)\n"
            "deploy-inference-service completion zsh > \"${fpath[1]}/_deploy-inference-service\"\n"
            "deploy-inference-service completion fish | source\n",
        .run = command_completion,
    },
};
/* clang-format on */
const size_t commands_count = array_length(commands);

const char *const command_names[] = {"deploy", "render",  "diff", "preflight", "wait",
                                     "rbac",   "version", "help", "completion"};
const size_t command_names_count = array_length(command_names);

const struct command *command_find(const char *name) {
    for (size_t i = 0; i < commands_count; i++)
        if (text_equal(commands[i].name, name))
            return &commands[i];
    return NULL;
}

const struct command *command_of(unsigned bit) {
    for (size_t i = 0; i < commands_count; i++)
        if (commands[i].bit == bit)
            return &commands[i];
    return &commands[0];
}

char *commands_list(unsigned bits, struct error **err) {
    struct strings names = {.items = NULL};
    int result = 0;
    for (size_t i = 0; i < commands_count && result == 0; i++)
        if ((commands[i].bit & bits) != 0)
            result = strings_add(&names, commands[i].name, err);
    char *list = result == 0 ? strings_join(&names, ", ", err) : NULL;
    strings_free(&names);
    return list;
}
