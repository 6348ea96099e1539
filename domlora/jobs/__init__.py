"""Who computes a request, and when: `spec` says what a job is, `worker` runs jobs, `local` starts a worker here."""
