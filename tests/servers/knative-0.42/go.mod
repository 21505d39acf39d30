// Only for its custom resources: no program is built of it. KServe's own go.mod names this version.
module deploy-inference-service/tests/servers/knative-0.42

go 1.22.0

require knative.dev/serving v0.42.2
