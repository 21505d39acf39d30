#pragma once

/* Which parameter sets an amount of a Kubernetes resource. Pure. */

#include <stdbool.h>

/*
 * "MEMORY_LIMIT" for memory, "NVIDIA_GPU" for nvidia.com/gpu, "RESOURCE_LIMITS" for what has no
 * parameter of its own; never NULL. REQUEST asks for the one that sets the request, which for disk
 * and devices is the limit's.
 */
const char *resource_parameter(const char *resource, bool request);
