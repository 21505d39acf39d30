#include "cli/help.h"

#include "base/text.h"
#include "cli/version.h"

#include <ctype.h>
#include <string.h>

/*
 * Text for roff: a backslash, and a dot or quote at the start of a line, have a meaning there; a
 * double quote ends the argument of a macro.
 */
static void put_text(FILE *output, const char *text) {
    bool line_start = true;
    for (const char *at = text; *at != '\0'; at++) {
        if (line_start && (*at == '.' || *at == '\''))
            fputs("\\&", output);
        if (*at == '\\')
            fputs("\\e", output);
        else if (*at == '-')
            fputs("\\-", output);
        else if (*at == '"')
            fputs("\\(dq", output);
        else if (*at == '\'')
            fputs("\\(aq", output);
        else if (*at == '`')
            fputs("\\(ga", output);
        else if (*at == '~')
            fputs("\\(ti", output);
        else
            fputc(*at, output);
        line_start = *at == '\n';
    }
}

static void put_parameter(FILE *output, const struct parameter *parameter) {
    cleanup_free char *term = help_term(parameter, NULL);
    cleanup_free char *text = help_meaning(parameter, NULL, NULL);
    if (term == NULL || text == NULL)
        return;
    fputs(".TP\n.B \"", output);
    put_text(output, term);
    fputs("\"\n", output);
    if (parameter->group == GROUP_COMMAND) {
        cleanup_free char *owners = commands_list(parameter->commands, NULL);
        fprintf(output, "(%s) ", owners != NULL ? owners : "");
    }
    put_text(output, text);
    fputs(".\n", output);
}

/* Command lines as they are, in a block that is not filled. */
static void put_examples(FILE *output, const char *examples) {
    fputs(".PP\n.nf\n", output);
    put_text(output, examples);
    fputs(".fi\n", output);
}

static void put_commands(FILE *output) {
    fputs(".SH COMMANDS\n", output);
    for (size_t i = 0; i < commands_count; i++) {
        fputs(".TP\n.B \"", output);
        put_text(output, commands[i].name);
        if (commands[i].operands != NULL) {
            fputc(' ', output);
            put_text(output, commands[i].operands);
        }
        fputs("\"\n", output);
        put_text(output, commands[i].description);
        fputc('\n', output);
    }
}

/* "Service" -> "SERVICE PARAMETERS", "Output" -> "OUTPUT OPTIONS" */
static void put_title(FILE *output, int group) {
    fputs(".SH \"", output);
    if (group == GROUP_COMMAND) {
        fputs("OPTIONS OF ONE COMMAND\"\n", output);
        return;
    }
    for (const char *at = parameter_group_titles[group]; *at != '\0'; at++)
        fputc(toupper((unsigned char)*at), output);
    fputs(group < GROUP_CONNECTION ? " PARAMETERS\"\n" : " OPTIONS\"\n", output);
}

static const char description[] =
    "Deploys a model from a Git repository as a KServe InferenceService and waits until that "
    "revision serves. It is the whole step of a Tekton task, and a tool for developers with a "
    "kubeconfig.\n.PP\n"
    "A parameter is taken from \\fINAME\\fR=\\fIVALUE\\fR or \\fB\\-\\-name\\fR \\fIVALUE\\fR (the "
    "last one counts), else from the environment variable \\fINAME\\fR, else from its default. For "
    "text, empty means none; for everything else, empty means the default. Progress and errors go "
    "to standard error, what programs read to standard output.\n";

static const char environment[] =
    ".SH ENVIRONMENT\n.TP\n.I NAME\nof a parameter above: its value, unless the command line has "
    "one.\n"
    ".TP\n.B KUBECONFIG\nkubeconfig files, separated by colons.\n"
    ".TP\n.B NO_COLOR\nwhen it is not empty, output is not coloured.\n"
    ".TP\n.B TERM\n\"dumb\" switches colours and the living progress line off.\n"
    ".TP\n.B COLUMNS\nwidth of lines on a terminal, up to 100.\n"
    ".TP\n.BR HTTPS_PROXY \", \" http_proxy \", \" NO_PROXY\n"
    "proxies, as curl takes them: that of http:// URLs in small letters only.\n";

static const char files[] =
    ".SH FILES\n.TP\n.I ~/.kube/config\nkubeconfig, when neither \\fB\\-\\-kubeconfig\\fR nor "
    "\\fBKUBECONFIG\\fR names one.\n"
    ".TP\n.I /var/run/secrets/kubernetes.io/serviceaccount\naccess to the cluster from inside a "
    "pod.\n"
    ".TP\n.I /tekton/results\nwhere results go in a Tekton step.\n"
    ".TP\n.I ~/.netrc\nlogin to the Git server, for local use.\n";

void help_manual_page(FILE *output) {
    fprintf(output,
            ".TH DEPLOY\\-INFERENCE\\-SERVICE 1 \"\" \"deploy\\-inference\\-service %s\" \"User "
            "Commands\"\n"
            ".nh\n.ad l\n",
            version_project);
    fputs(".SH NAME\ndeploy\\-inference\\-service \\- deploy a model as a KServe InferenceService\n"
          ".SH SYNOPSIS\n.B deploy\\-inference\\-service\n[\\fICOMMAND\\fR] "
          "[\\fINAME\\fR=\\fIVALUE\\fR "
          "\\&...] [\\fB\\-\\-option\\fR \\&...]\n"
          ".SH DESCRIPTION\n",
          output);
    fputs(description, output);
    put_commands(output);
    for (int group = 0; group < GROUP_COUNT; group++) {
        put_title(output, group);
        for (size_t i = 0; i < parameters_count; i++)
            if ((int)parameters[i].group == group)
                put_parameter(output, &parameters[i]);
    }
    fputs(environment, output);
    fputs(files, output);
    fputs(".SH EXIT STATUS\n", output);
    for (size_t i = 0; i < exit_codes_count; i++) {
        fprintf(output, ".TP\n\\fB%d\\fR\n", exit_codes[i].code);
        put_text(output, exit_codes[i].meaning);
        fputs(".\n", output);
    }
    fputs(".SH EXAMPLES\n", output);
    for (size_t i = 0; i < commands_count; i++)
        if (commands[i].examples != NULL)
            put_examples(output, commands[i].examples);
    fputs(".SH SEE ALSO\n.BR kubectl (1),\n.BR git (1)\n", output);
}
