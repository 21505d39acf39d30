#pragma once

/* Private to managed_fields.c and managed_fields_prune.c. */

#include "kube/managed_fields.h"

/* True when a migration to MANAGER takes what ENTRY (of managedFields) owns. */
bool managed_fields_is_client_side(const json_t *entry, const char *manager);

/* True for the entry of MANAGER with OPERATION of the object itself, not of a subresource. */
bool managed_fields_is_manager(const json_t *entry, const char *manager, const char *operation);
