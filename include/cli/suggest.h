#pragma once

/*
 * What somebody who wrote an unknown word most likely meant: by spelling (text_nearest), by a part
 * of the name ("BRANCH" for MODEL_REPO_BRANCH), or by the word that kubectl, helm and the like have
 * for it ("template" for render). Pure.
 */

#include "base/error.h"

/* The hints are owned text that reads on behind "; ". NULL with an error only without memory. */

/* NAME of NAME=VALUE, as in "MODEL_REPPO=x". */
char *suggest_parameter(const char *name, struct error **err);

/* "--OPTION" or "-o" without its dashes. */
char *suggest_option(const char *option, struct error **err);

/* WORD where a command may stand. */
char *suggest_command(const char *word, struct error **err);
