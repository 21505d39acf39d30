//go:build tools

// Package tools names the programs that tests/servers/build builds, so that "go mod tidy" keeps what they need.
package tools

import (
	_ "github.com/openshift-pipelines/manual-approval-gate/cmd/controller"
	_ "github.com/openshift-pipelines/manual-approval-gate/cmd/webhook"
)
