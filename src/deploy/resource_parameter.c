#include "deploy/resource_parameter.h"

#include "base/memory.h"

#include <string.h>

const char *resource_parameter(const char *resource, bool request) {
    static const struct {
        const char *resource;
        const char *request;
        const char *limit;
    } parameters[] = {
        {"cpu", "CPU_REQUEST", "CPU_LIMIT"},
        {"memory", "MEMORY_REQUEST", "MEMORY_LIMIT"},
        {"ephemeral-storage", "EPHIMERAL_STORAGE_SIZE", "EPHIMERAL_STORAGE_SIZE"},
        {"nvidia.com/gpu", "NVIDIA_GPU", "NVIDIA_GPU"},
        {"nvidia.com/gpualloc", "NVIDIA_GPUALLOC", "NVIDIA_GPUALLOC"},
        {"nvidia.com/gpucores", "NVIDIA_GPUCORES", "NVIDIA_GPUCORES"},
        {"nvidia.com/gpumem", "NVIDIA_GPUMEM", "NVIDIA_GPUMEM"},
    };
    for (size_t i = 0; i < array_length(parameters); i++)
        if (strcmp(parameters[i].resource, resource) == 0)
            return request ? parameters[i].request : parameters[i].limit;
    return "RESOURCE_LIMITS";
}
