// Only for its custom resources: no program is built of it. KServe's own go.mod names this version.
module deploy-inference-service/tests/servers/knative-0.48

go 1.24.0

require knative.dev/serving v0.48.1
