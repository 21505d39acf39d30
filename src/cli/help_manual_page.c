#include "cli/help.h"

#include "base/text.h"
#include "cli/version.h"

#include <string.h>

/* Text for roff: a backslash, and a dot or quote at the start of a line, have a meaning there. */
static void put_text(FILE *output, const char *text) {
    bool line_start = true;
    for (const char *at = text; *at != '\0'; at++) {
        if (line_start && (*at == '.' || *at == '\''))
            fputs("\\&", output);
        if (*at == '\\')
            fputs("\\e", output);
        else if (*at == '-')
            fputs("\\-", output);
        else
            fputc(*at, output);
        line_start = *at == '\n';
    }
}

static void put_parameter(FILE *output, const struct parameter *parameter) {
    char option[64];
    parameter_option_name(parameter, option);
    fputs(".TP\n", output);
    if (parameter_is_option(parameter)) {
        fputs("\\fB\\-\\-", output);
        put_text(output, option);
    } else {
        fputs("\\fB", output);
        put_text(output, parameter->name);
    }
    fprintf(output, "\\fR%s\\fI%s\\fR\n", parameter_is_option(parameter) ? " " : "=",
            parameter->value_name != NULL ? parameter->value_name : "");
    put_text(output, parameter->help);
    if (!text_is_empty(parameter->default_value)) {
        fputs(" (default ", output);
        put_text(output, parameter->default_value);
        fputs(")", output);
    }
    fputs(".\n", output);
}

void help_manual_page(FILE *output) {
    fprintf(output, ".TH DEPLOY\\-INFERENCE\\-SERVICE 1 \"\" \"%s\" \"User Commands\"\n",
            version_project);
    fputs(".SH NAME\ndeploy\\-inference\\-service \\- deploy a model as a KServe InferenceService\n"
          ".SH SYNOPSIS\n.B deploy\\-inference\\-service\n[\\fICOMMAND\\fR] "
          "[\\fINAME\\fR=\\fIVALUE\\fR "
          "\\&...] [\\fB\\-\\-option\\fR \\&...]\n"
          ".SH COMMANDS\n",
          output);
    for (size_t i = 0; i < commands_count; i++) {
        fprintf(output, ".TP\n\\fB%s\\fR\n", commands[i].name);
        put_text(output, commands[i].description);
        fputc('\n', output);
    }
    for (int group = 0; group < GROUP_COUNT; group++) {
        fprintf(output, ".SH %s\n", parameter_group_titles[group]);
        for (size_t i = 0; i < parameters_count; i++)
            if ((int)parameters[i].group == group)
                put_parameter(output, &parameters[i]);
    }
    fputs(".SH EXIT STATUS\n", output);
    for (size_t i = 0; i < exit_codes_count; i++) {
        fprintf(output, ".TP\n\\fB%d\\fR\n", exit_codes[i].code);
        put_text(output, exit_codes[i].meaning);
        fputs(".\n", output);
    }
}
