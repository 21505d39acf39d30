/* What keeps a pod from getting its volumes, and how pods and containers end. */

#include "deploy/diagnose.h"

const struct diagnosis_rule diagnose_mount[] = {
    {.any = {"persistentvolumeclaims \"", "persistentvolumeclaim \""},
     .all = {"not found"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "PvcNotFound",
     .cause = "The storage that the pod names, PersistentVolumeClaim {pvc|of the pod}, does not "
              "exist in namespace {namespace}.",
     .hint = "Correct PVC_NAME, or make the claim."},
    {.any = {"PVC is not bound"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "PvcNotBound",
     .cause = "The storage that the pod names, PersistentVolumeClaim {pvc|of the pod}, has no disk "
              "behind it yet (it is not bound).",
     .hint = "See why: kubectl describe pvc {pvc|CLAIM} -n {namespace}; or take another claim in "
             "PVC_NAME."},
    {.any = {"Multi-Attach error", "ReadWriteOncePod", "already exclusively attached"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "VolumeInUse",
     .cause = "The disk of PersistentVolumeClaim {pvc|of the pod} is in use on another node, and "
              "its access mode allows one node only.",
     .hint = "Use a claim with access mode ReadWriteMany or ReadOnlyMany in PVC_NAME, or one "
             "replica with DEPLOYMENT_STRATEGY=Recreate."},
    {.any = {"access mode"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "VolumeAccessMode",
     .cause = "The disk of PersistentVolumeClaim {pvc|of the pod} cannot be used the way the pod "
              "wants it (access mode): {text}.",
     .hint = "Use a claim with another access mode in PVC_NAME."},
    {.all = {"secret", "not found"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "MissingSecret",
     .cause = "The pod cannot start because a Secret that it mounts does not exist: {text}.",
     .hint = "Make that Secret in namespace {namespace}, or remove its volume from the runtime "
             "{runtime}."},
    {.all = {"configmap", "not found"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "MissingConfigMap",
     .cause = "The pod cannot start because a ConfigMap that it mounts does not exist: {text}.",
     .hint = "Make that ConfigMap in namespace {namespace}, or remove its volume from the runtime "
             "{runtime}."},
    {.any = {"references non-existent secret key", "references non-existent config key"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "MissingConfigKey",
     .cause = "The pod cannot start because a key that it mounts is missing: {text}.",
     .hint = "Add that key in namespace {namespace}, or remove its volume from the runtime "
             "{runtime}."},
    {.all = {"no runtime for", "is configured"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "RuntimeClassMissing",
     .cause = "The node does not have the container runtime that the pod asks for: {text}.",
     .hint = "Correct runtimeClassName in the runtime {runtime}, or have an administrator set that "
             "container runtime up on the nodes."},
    {.any = {"pod sandbox", "failed to setup network", "plugin type="},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "PodSandboxFailed",
     .cause = "The node cannot set up the pod's network: {text}.",
     .hint = "Have an administrator check the network plugin of the node."},
    {.any = {"mount.nfs", "access denied by server", "mount failed"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "VolumeCannotBeMounted",
     .cause = "The node cannot mount the storage of the pod: its storage server refuses or does "
              "not answer ({text}).",
     .hint = "Check the storage behind the claim in PVC_NAME ({pvc|not set})."},
    {.weight = DIAGNOSIS_PERSISTENT,
     .reason = "VolumeCannotBeMounted",
     .cause = "The node cannot give the pod its storage: {text|it does not say why}.",
     .hint = "Check the claim in PVC_NAME ({pvc|not set}) and the storage behind it."},
};
const size_t diagnose_mount_count = array_length(diagnose_mount);

#define MORE_DISK                                                                                  \
    "Raise EPHIMERAL_STORAGE_SIZE (now {ephemeral_storage|not set}) above the size of the model "  \
    "repository (twice that, if it is cloned with Git LFS), or use PVC_NAME."

const struct diagnosis_rule diagnose_ended[] = {
    {.any = {"ephemeral local storage usage exceeds", "exceeded its local ephemeral storage limit"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "EphemeralStorageExceeded",
     .cause = "The model does not fit the disk space that it may use: the node threw the pod out "
              "when it went over {ephemeral_storage|its limit}.",
     .hint = MORE_DISK},
    {.all = {"Usage of EmptyDir volume", "exceeds the limit"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "EphemeralStorageExceeded",
     .cause = "A temporary volume of the pod has a limit that is too small: {message}.",
     .hint = "Raise the sizeLimit of that volume in the runtime {runtime}."},
    {.any = {"low on resource: ephemeral-storage", "low on resource: nodefs",
             "low on resource: imagefs", "DiskPressure"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "NodeDiskPressure",
     .cause = "The node ran out of disk and threw the pod out: {message}.",
     .hint = "Have an administrator free disk on the node, or use PVC_NAME for the model."},
    {.any = {"low on resource: memory", "MemoryPressure"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "NodeMemoryPressure",
     .cause = "The node ran out of memory and threw the pod out: {message}.",
     .hint = "Raise MEMORY_REQUEST to what the model server really needs, so that it gets a node "
             "with that much free."},
    {.any = {"UnexpectedAdmissionError"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "DeviceAllocationFailed",
     .cause = "The node could not hand its GPU to the pod: {message}.",
     .hint = "Have an administrator check the GPU device plugin (HAMi or NVIDIA) of the node."},
    {.any = {"OutOf"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "NodeOutOfResources",
     .cause = "The node had less left than the scheduler believed: {message}.",
     .hint = "It is tried again elsewhere; if it repeats, ask for less."},
    {.any = {"NodeShutdown", "Terminated: Pod was terminated in response to imminent node "
                             "shutdown"},
     .weight = DIAGNOSIS_PASSING,
     .reason = "NodeShutdown",
     .cause = "The node of the pod was shut down; the pod is made anew elsewhere.",
     .hint = ""},
    {.any = {"Preempt"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "Preempted",
     .cause = "The pod had to make room for one with a higher priority.",
     .hint = "Give the service a priority class in the runtime {runtime}, or add nodes."},
    {.weight = DIAGNOSIS_PERSISTENT,
     .reason = "PodFailed",
     .cause = "The pod ended for good: {message|it does not say why}.",
     .hint = "See the evidence."},
};
const size_t diagnose_ended_count = array_length(diagnose_ended);

const struct diagnosis_rule diagnose_exit[] = {
    {.all = {"exit 137;", "liveness"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "LivenessProbeFailed",
     .cause = "{Container} stopped answering its health check (liveness probe), so the node killed "
              "it (exit code 137).",
     .hint = "If it only needs longer, raise failureThreshold of the probes in {origin}; else give "
             "it more with CPU_LIMIT or MEMORY_LIMIT."},
    {.all = {"exit 143;", "liveness"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "LivenessProbeFailed",
     .cause = "{Container} stopped answering its health check (liveness probe), so the node ended "
              "it (exit code 143).",
     .hint = "If it only needs longer, raise failureThreshold of the probes in {origin}; else give "
             "it more with CPU_LIMIT or MEMORY_LIMIT."},
    {.all = {"exit ", "liveness"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "LivenessProbeFailed",
     .cause = "{Container} stopped answering its health check (liveness probe), so the node ended "
              "it.",
     .hint = "If it only needs longer, raise failureThreshold of the probes in {origin}; else give "
             "it more with CPU_LIMIT or MEMORY_LIMIT."},
    {.all = {"exit ", "startup"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "StartupProbeFailed",
     .cause = "{Container} needs longer to load the model than its start-up probe allows, so the "
              "node ends it each time and it begins anew.",
     .hint = "Raise failureThreshold of the startupProbe in {origin}."},
    {.any = {"exit 137;"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "Killed",
     .cause = "{Container} was killed from outside (exit code 137): usually for using too much "
              "memory, or for not ending in time when told to.",
     .hint = "Raise MEMORY_LIMIT (now {limit|not set}), or see the liveness probe in {origin}."},
    {.any = {"exit 139;"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "SegmentationFault",
     .cause = "{Container} crashed in its native code (exit code 139, segmentation fault).",
     .hint = "The image may not fit the node's processor or GPU driver: choose another runtime "
             "with RUNTIME_NAME."},
    {.any = {"exit 143;"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "Terminated",
     .cause = "{Container} was told to end (exit code 143, SIGTERM), usually because its health "
              "check failed.",
     .hint = "See the liveness and start-up probes in {origin}."},
    {.any = {"exit 134;", "exit 132;", "exit 135;", "exit 136;"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "CrashedInNativeCode",
     .cause = "{Container} crashed in its native code{last|}.",
     .hint = "The image may not fit the node's processor or GPU driver: choose another runtime "
             "with RUNTIME_NAME."},
    {.any = {"exit 127;"},
     .weight = DIAGNOSIS_DECIDED,
     .reason = "CommandNotFound",
     .cause = "{Container} does not find the command that it should run (exit code 127).",
     .hint = "Correct the command in {origin}."},
    {.any = {"exit 126;"},
     .weight = DIAGNOSIS_DECIDED,
     .reason = "CommandNotExecutable",
     .cause = "{Container} may not execute its command (exit code 126).",
     .hint = "Correct the command in {origin}."},
    {.any = {"exit 0;"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "ServerEnded",
     .cause = "{Container} ends by itself without an error, but a model server must keep running.",
     .hint = "Correct the command in {origin}."},
    {.weight = DIAGNOSIS_PERSISTENT,
     .reason = "CrashLoopBackOff",
     .cause = "{Container} crashes each time it is started.",
     .hint = "See its last log lines."},
};
const size_t diagnose_exit_count = array_length(diagnose_exit);
