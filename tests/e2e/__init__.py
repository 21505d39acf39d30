"""PipelineRuns on a real node."""
