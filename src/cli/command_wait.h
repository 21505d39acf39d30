#pragma once

/* The two halves of wait: on a cluster (command_wait.c) and on a record (command_wait_replay.c). */

#include "cli/connect.h"
#include "deploy/wait.h"

/* STATE of --for. */
enum wait_for wait_for_of(const char *state);

/*
 * Judges the file of --replay as wait would have judged the rollout; the end of the file counts as
 * the deadline. Fills OUTCOME with what the record knows of the service. What a record cannot
 * answer (--record, VERIFY_ENDPOINT, another name) is refused, all in one report.
 */
int replay_transcript(struct application *application, struct outcome *outcome, struct error **err);
