/* What the reducer finds by itself, by reason. */

#include "deploy/diagnose.h"

const struct diagnosis_rule diagnose_own[] = {
    {.any = {"BeingDeleted"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "Deleted",
     .cause = "Somebody is deleting the InferenceService {name}, so it cannot become ready.",
     .hint = "Find out who deletes it; once it is gone, run again to make it anew."},
    {.any = {"Deleted"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "Deleted",
     .cause = "Somebody deleted the InferenceService {name} while it was starting.",
     .hint = "Find out who deleted it; run again to make it anew."},
    {.any = {"Replaced"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "Replaced",
     .cause = "Somebody deleted the InferenceService {name} and made another one of that name "
              "while it was starting.",
     .hint = "Find out who else deploys it; run again to change the new one."},
    {.any = {"ChangedByOther"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "ChangedByOther",
     .cause = "Somebody else{writer_words|} changed the InferenceService {name} ({what}) while it "
              "was starting, so what was deployed here is not what will run.",
     .hint = "Find out who else deploys it; run again to apply these parameters once more."},
    {.any = {"Stopped"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "Stopped",
     .cause = "The InferenceService {name} is switched off by its annotation "
              "serving.kserve.io/stop.",
     .hint = "Switch it on: kubectl annotate inferenceservice {name} -n {namespace} "
             "serving.kserve.io/stop-."},
    {.any = {"AutoUpdateDisabled"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "AutoUpdateDisabled",
     .cause = "KServe does not roll out this change: the annotation "
              "serving.kserve.io/disable-auto-update keeps a service that works as it is.",
     .hint = "Take it away: kubectl annotate inferenceservice {name} -n {namespace} "
             "serving.kserve.io/disable-auto-update-."},
    {.any = {"FieldNotRemoved"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "FieldNotRemoved",
     .cause = "The change does not take effect: {what} is no longer asked for, but this KServe "
              "never takes a field away from a Deployment, so the pods still get it.",
     .hint = "Delete the service and deploy it again (kubectl delete inferenceservice {name} -n "
             "{namespace}); KServe 0.15 and later do not need that."},
    {.any = {"DeploymentPaused"},
     .reason = "DeploymentPaused",
     .cause = "Somebody paused the roll-out of this service.",
     .hint = "Resume it: kubectl rollout resume deployment/{deployment} -n {namespace}."},
    {.any = {"ScaledToZero"},
     .reason = "ScaledToZero",
     .cause = "Somebody or an autoscaler set the number of replicas to 0, so nothing serves.",
     .hint = "Check MIN_REPLICAS and the autoscaler of the service."},
    {.any = {"FewerReplicas"},
     .reason = "FewerReplicas",
     .cause = "Only {now} of at least {least} replicas are wanted so far: the autoscaler has not "
              "raised the number.",
     .hint = "See the HorizontalPodAutoscaler of the service, or lower MIN_REPLICAS."},
    {.any = {"ProgressDeadlineExceeded"},
     .reason = "ProgressDeadlineExceeded",
     .cause = "The new pods need longer than the ten minutes that KServe plans for; with a large "
              "model that alone is no failure.",
     .hint = "Raise TIMEOUT if the model needs longer to download and load."},
    {.any = {"NotReady"},
     .reason = "NotReady",
     .cause = "The pods of this service work, but KServe does not call it ready: {what}.",
     .hint = "If it lasts, an administrator finds more in the log of KServe's controller."},
    {.any = {"NoRevision"},
     .reason = "NothingCreated",
     .cause = "KServe and Knative have not acted on this change: there is no Deployment of a new "
              "revision yet.",
     .hint = "Have an administrator check that the controllers of KServe and Knative run. KServe "
             "0.19 never starts a new Serverless service (kserve issue 5793): upgrade it, or set "
             "ENABLE_SERVERLESS=false."},
    {.any = {"NothingCreated"},
     .reason = "NothingCreated",
     .cause = "KServe has not acted on this change: there is no Deployment of it yet.",
     .hint = "Have an administrator check that KServe's controller runs."},
    {.any = {"RolloutDeadlock"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "RolloutDeadlock",
     .cause = "The update cannot fit: the new pod waits for a GPU ({resource}), and the old pod of "
              "this service gives its own back only when the new pod is ready.",
     .hint = "Set DEPLOYMENT_STRATEGY=Recreate (the service is down while it changes), or free a "
             "GPU for the time of the update."},
    {.any = {"SchedulingGated"},
     .reason = "QueuedForQuota",
     .cause = "The pod waits in a queue{queue_words|} until its quota has room for it.",
     .hint = "Wait, ask for less, or have the quota of the queue raised."},
    {.any = {"ProbeFailing"},
     .reason = "ProbeFailing",
     .cause = "The model server runs, but does not answer its health check yet ({probe}).",
     .hint = "It may still be loading the model; raise TIMEOUT if it needs longer."},
    {.any = {"OOMKilled kserve-container"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "OOMKilled",
     .cause = "The model server needs more main memory than its limit of {limit|the pod} and was "
              "killed for it.",
     .hint = "Raise MEMORY_LIMIT (now {limit|not set})."},
    {.any = {"OOMKilled storage-initializer"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "OOMKilled",
     .cause = "The download of the model (storage-initializer) needs more main memory than its "
              "limit of {limit|the pod} and was killed for it.",
     .hint = "Have an administrator raise the memory limit of the storage initializer (ConfigMap "
             "inferenceservice-config, or ClusterStorageContainer), or use PVC_NAME."},
    {.any = {"OOMKilled"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "OOMKilled",
     .cause = "{Container} needs more memory than its limit of {limit|the pod} and was killed for "
              "it.",
     .hint = "Raise its memory limit in the runtime {runtime}."},
    {.any = {"RevisionLate"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "RevisionFailed",
     .cause = "The new revision did not become ready in the time that Knative gives it, and "
              "Knative gave it up.",
     .hint = "See the evidence for what it waited for. A model that needs longer than the progress "
             "deadline to load can be deployed with ENABLE_SERVERLESS=false."},
    {.any = {"RevisionFailed"},
     .weight = DIAGNOSIS_PERSISTENT,
     .reason = "RevisionFailed",
     .cause = "The new revision does not come up: {message|Knative does not say why}.",
     .hint = "See the evidence."},
    {.any = {"KnativeMissing"},
     .weight = DIAGNOSIS_FINAL,
     .reason = "KnativeMissing",
     .cause = "ENABLE_SERVERLESS is true, but this cluster has no Knative.",
     .hint = "Set ENABLE_SERVERLESS=false."},
    {.reason = "Waiting", .cause = "The rollout goes on.", .hint = ""},
};
const size_t diagnose_own_count = array_length(diagnose_own);
