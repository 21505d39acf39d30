//go:build tools

// Package tools names the programs that tests/servers/build builds, so that "go mod tidy" keeps what they need.
package tools

import (
	_ "github.com/tektoncd/pipeline/cmd/controller"
	_ "github.com/tektoncd/pipeline/cmd/entrypoint"
	_ "github.com/tektoncd/pipeline/cmd/resolvers"
	_ "github.com/tektoncd/pipeline/cmd/webhook"
)
