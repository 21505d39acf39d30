// Only for its custom resources: no program is built of it. KServe's own go.mod names this version.
module deploy-inference-service/tests/servers/knative-0.44

go 1.22.7

require knative.dev/serving v0.44.0
