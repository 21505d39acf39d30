/* What admission and KServe's controller say. Texts: kubernetes plugin/pkg/admission, pod security
 * admission; KServe pkg/controller/v1beta1/inferenceservice; HAMi pkg/scheduler/webhook.go. */

#include "deploy/diagnose.h"

const struct diagnosis_rule diagnose_admission[] = {
    {.all = {"violates PodSecurity", "hostIPC"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "PodSecurityHostIpc",
     .cause = "Namespace {namespace} forbids pods that share memory with their node (Pod Security "
              "refuses hostIPC), and this service asks for that.",
     .hint = "Set HOST_IPC=false, or have an administrator allow it: kubectl label namespace "
             "{namespace} pod-security.kubernetes.io/enforce=privileged --overwrite."},
    {.all = {"violates PodSecurity", "\"storage-initializer\""},
     .weight = DIAGNOSIS_FINAL,
     .reason = "PodSecurity",
     .cause = "The security level of namespace {namespace} (Pod Security) forbids the pods of this "
              "service, with the container that downloads the model: {violation|see the evidence}.",
     .hint = "Have an administrator set spec.container.securityContext in KServe's "
             "ClusterStorageContainer, and change the security settings of the runtime {runtime} "
             "if that is named too; or have the level of the namespace changed."},
    {.all = {"violates PodSecurity"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "PodSecurity",
     .cause = "The security level of namespace {namespace} (Pod Security) forbids the pods of this "
              "service: {violation|see the evidence}.",
     .hint = "Change the security settings of the runtime {runtime}, or have the level of the "
             "namespace changed."},
    {.any = {"exceeded quota", "exceeding resource quota"},
     .weight = DIAGNOSIS_DECIDED,
     .reason = "QuotaExceeded",
     .cause = "The quota of namespace {namespace} does not allow another pod: {quota|see the "
              "evidence}.",
     .hint = "Free what others use, have the quota raised, or ask for less (CPU_REQUEST, "
             "MEMORY_REQUEST, NVIDIA_GPUALLOC, NVIDIA_GPUMEM, NVIDIA_GPU)."},
    {.all = {"failed quota", "must specify", "storage-initializer"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "QuotaNeedsValues",
     .cause = "The quota of namespace {namespace} wants every container to say what it needs, and "
              "KServe's storage initializer does not: {quota|see the evidence}.",
     .hint = "Have its resources set in KServe's ClusterStorageContainer (or storageInitializer in "
             "ConfigMap inferenceservice-config), or give the namespace a LimitRange with "
             "defaults."},
    {.all = {"failed quota", "must specify"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "QuotaNeedsValues",
     .cause = "The quota of namespace {namespace} wants every pod to say what it needs: {quota|see "
              "the evidence}.",
     .hint = "Set CPU_REQUEST, CPU_LIMIT, MEMORY_REQUEST and MEMORY_LIMIT."},
    {.any = {"LimitRange", "maximum cpu usage", "maximum memory usage",
             "maximum ephemeral-storage usage", "minimum cpu usage", "minimum memory usage",
             "max limit to request ratio"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "LimitRange",
     .cause = "Namespace {namespace} limits how much one container may ask for (LimitRange): "
              "{refusal|see the evidence}.",
     .hint = "Change CPU_REQUEST, CPU_LIMIT, MEMORY_REQUEST, MEMORY_LIMIT or "
             "EPHIMERAL_STORAGE_SIZE to fit it."},
    {.all = {"serviceaccount", "not found"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "ServiceAccountMissing",
     .cause = "The ServiceAccount under which the pods are to run does not exist: {refusal|see the "
              "evidence}.",
     .hint = "Make it in namespace {namespace}."},
    {.any = {"no PriorityClass with name"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "PriorityClassMissing",
     .cause = "The priority class of the pods does not exist: {refusal|see the evidence}.",
     .hint = "Correct priorityClassName in the runtime {runtime}."},
    {.all = {"RuntimeClass", "not found"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "RuntimeClassMissing",
     .cause = "The RuntimeClass of the pods does not exist: {refusal|see the evidence}.",
     .hint = "Correct runtimeClassName in the runtime {runtime}, or have that RuntimeClass made."},
    {.any = {"because it is being terminated"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "NamespaceBeingDeleted",
     .cause = "Namespace {namespace} is being deleted, so nothing new is made in it.",
     .hint = "Deploy to another namespace (NAMESPACE)."},
    {.all = {"ValidatingAdmissionPolicy", "denied request"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "PodDenied",
     .cause = "A rule of the cluster refuses the pods: {refusal|see the evidence}.",
     .hint = "Change what it names, or ask whoever set the rule."},
    {.any = {"failed calling webhook"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "WebhookUnavailable",
     .cause = "A program that must approve every pod (admission webhook {webhook|of the cluster}) "
              "does not answer.",
     .hint = "Have an administrator bring it back, then run again."},
    {.all = {"is privileged", "denied the request"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "HamiPrivileged",
     .cause = "HAMi gives no GPU share to a privileged container: {refusal|see the evidence}.",
     .hint = "Take privileged out of the runtime {runtime}, or use NVIDIA_GPU for a whole GPU."},
    {.all = {"pod has node assigned", "denied the request"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "HamiNodeAssigned",
     .cause = "HAMi gives no GPU share to a pod that names its node itself.",
     .hint = "Take nodeName out of the runtime {runtime}; nodeSelector does it too."},
    {.any = {"denied the request"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "PodDenied",
     .cause = "A rule of the cluster (admission webhook {webhook|}) refuses the pods: {refusal|see "
              "the evidence}.",
     .hint = "Change what it names, or ask whoever set the rule."},
    {.any = {"is invalid"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "PodInvalid",
     .cause = "The pods that KServe makes of this service are not valid: {refusal|see the "
              "evidence}.",
     .hint = "Change the parameter, or the field of the runtime {runtime}, that it names."},
    {.weight = DIAGNOSIS_PERSISTENT,
     .reason = "PodsCannotBeMade",
     .cause = "The cluster refuses to make the pods: {refusal|it does not say why}.",
     .hint = "Change what it names."},
};
const size_t diagnose_admission_count = array_length(diagnose_admission);

const struct diagnosis_rule diagnose_spec[] = {
    {.any = {"RuntimeNotRecognized"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "InvalidSpec",
     .cause = "There is no runtime named {live_runtime|as the service asks}, neither in the "
              "cluster nor in namespace {namespace}.",
     .hint = "Correct RUNTIME_NAME: kubectl get clusterservingruntimes shows what there is."},
    {.any = {"RuntimeDisabled"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "InvalidSpec",
     .cause = "The runtime {live_runtime|of the service} is disabled.",
     .hint = "Choose another one with RUNTIME_NAME."},
    {.all = {"NoSupportingRuntime", "protocol"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "InvalidSpec",
     .cause = "The runtime {live_runtime|of the service} does not speak the protocol "
              "{protocol|that is asked for}.",
     .hint = "Choose another runtime with RUNTIME_NAME."},
    {.any = {"NoSupportingRuntime"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "InvalidSpec",
     .cause = "The runtime {live_runtime|that is chosen} cannot serve models of the format "
              "{format|of this one}.",
     .hint = "Choose another runtime with RUNTIME_NAME, or correct the format: LIBRARY_NAME, or "
             "library_name in the model's README."},
    {.weight = DIAGNOSIS_FINAL,
     .reason = "InvalidSpec",
     .cause = "KServe cannot make pods of this service: {message|it does not say why}.",
     .hint = "Check the runtime {live_runtime}: its container must be named kserve-container, and "
             "its template placeholders must be valid."},
};
const size_t diagnose_spec_count = array_length(diagnose_spec);

const struct diagnosis_rule diagnose_reconcile[] = {
    /* another writer was quicker, or the API server or etcd was away for a moment */
    {.any = {"the object has been modified", "AlreadyExists", "already exists",
             "context deadline exceeded", "connection refused", "connection reset by peer",
             "connection lost", "unexpected EOF", ": EOF", "i/o timeout", "handshake timeout",
             "leader changed", "etcdserver: ", "currently unable to handle", "too many requests"},
     .none = "failed calling webhook",
     .weight = DIAGNOSIS_PASSING,
     .reason = "Reconciling",
     .cause = "KServe's controller is at work: {text}.",
     .hint = ""},
    {.all = {"must be less than or equal to", "limit"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "RequestAboveLimit",
     .cause = "With the values of the runtime {runtime} merged in, the service asks for more than "
              "its own limit: {invalid|see the evidence}.",
     .hint = "Change CPU_REQUEST, CPU_LIMIT, MEMORY_REQUEST or MEMORY_LIMIT."},
    {.any = {"no more than 63 characters"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "NameTooLong",
     .cause = "The name of the service and of its namespace are too long together to make a host "
              "name of them.",
     .hint = "Take a shorter INFERENCE_SERVICE_NAME (52 characters with the namespace)."},
    {.any = {"exceeded quota"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "QuotaExceeded",
     .cause = "The quota of namespace {namespace} does not allow what KServe makes for this "
              "service: {quota|see the evidence}.",
     .hint = "Free what others use, or have the quota raised."},
    {.any = {"failed calling webhook"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "WebhookUnavailable",
     .cause = "A program that must approve what KServe makes (admission webhook {webhook|of the "
              "cluster}) does not answer.",
     .hint = "Have an administrator bring it back, then run again."},
    {.any = {"denied the request"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "DeploymentDenied",
     .cause = "A rule of the cluster (admission webhook {webhook|}) refuses what KServe makes of "
              "this service: {refusal|see the evidence}.",
     .hint = "Change what it names, or ask whoever set the rule."},
    {.any = {"StorageURI not supported", "storageUri, must be one of",
             "not supported: unsupported"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "StorageUriUnsupported",
     .cause = "This KServe cannot download models from {storage_uri|such a place}.",
     .hint = "Correct STORAGE_URI, or have a ClusterStorageContainer added for that kind of URI."},
    {.any = {"is invalid"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "DeploymentInvalid",
     .cause = "The cluster refuses what KServe makes of this service: {invalid|see the evidence}.",
     .hint = "Change the parameter, or the field of the runtime {runtime}, that it names."},
    {.any = {"forbidden"},
     .weight = DIAGNOSIS_DECIDED,
     .reason = "ControllerForbidden",
     .cause = "KServe's controller lacks a right that this service needs: {text}.",
     .hint = "Have an administrator give it that right."},
    {.weight = DIAGNOSIS_PERSISTENT,
     .reason = "ReconcileFailed",
     .cause = "KServe's controller fails on this service: {text|it does not say why}.",
     .hint = "If it is not about a parameter, an administrator finds more in the log of KServe's "
             "controller."},
};
const size_t diagnose_reconcile_count = array_length(diagnose_reconcile);
