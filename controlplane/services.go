package controlplane

import (
	"context"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// services answers GET /api/services, newest registration first.
func (s *Server) services(ctx context.Context, _ none) (api.Services, error) {
	all, err := s.st.Services(ctx)
	if err != nil {
		return api.Services{}, err
	}
	serving, err := s.serving(ctx, "")
	if err != nil {
		return api.Services{}, err
	}
	out := api.Services{Services: []api.Service{}}
	for _, service := range all {
		out.Services = append(out.Services, s.wireService(ctx, service, serving[service.ID]))
	}
	return out, nil
}

// service answers GET /api/services/{id}.
func (s *Server) service(ctx context.Context, _ none) (api.ServiceDetail, error) {
	id := pathID(ctx)
	service, err := s.st.Service(ctx, pipeline.ServiceID(id))
	if err != nil {
		return api.ServiceDetail{}, missing(err, "Service", "serviceId", id)
	}
	tasks, err := s.st.Tasks(ctx, service.ID)
	if err != nil {
		return api.ServiceDetail{}, err
	}
	serving, err := s.serving(ctx, service.ID)
	if err != nil {
		return api.ServiceDetail{}, err
	}
	return api.ServiceDetail{Service: s.wireService(ctx, service, serving[service.ID]), Tasks: wireTasks(tasks)}, nil
}

// serviceTasks answers GET /api/services/{id}/tasks, by id.
func (s *Server) serviceTasks(ctx context.Context, _ none) (api.Tasks, error) {
	detail, err := s.service(ctx, none{})
	return api.Tasks{Tasks: detail.Tasks}, err
}

func (s *Server) wireService(ctx context.Context, of store.Service, serving []instance) api.Service {
	out := wireRegistered(of)
	out.Health, out.HealthReason = healthOf(of, serving, s.o.Now())
	out.Instances, out.Elsewhere = s.wireInstances(ctx, of, serving)
	return out
}

func wireRegistered(s store.Service) api.Service {
	return api.Service{
		ID: string(s.ID), Version: s.Version, BaseURL: s.BaseURL, Status: s.Status,
		RegisteredAt: api.At(s.RegisteredAt), LastHeartbeat: api.At(s.LastHeartbeat),
		TaskCount: s.TaskCount, Metadata: object(s.Metadata),
	}
}

func wireTasks(tasks []store.Task) []api.Task {
	out := []api.Task{}
	for _, t := range tasks {
		out = append(out, api.Task{
			ID: string(t.ID), ServiceID: string(t.Service),
			CodeHash: t.CodeHash, CodeVersion: t.CodeVersion, AllowedNext: texts(t.AllowedNext),
			Timeout: int64(t.Timeout / time.Second),
			Retries: t.Retry.Retries, RetryBackoff: string(t.Retry.Backoff),
			RetryDelayMs: t.Retry.Delay.Milliseconds(), MaxRetryDelayMs: t.Retry.MaxDelay.Milliseconds(),
			HeartbeatIntervalMs: t.HeartbeatInterval.Milliseconds(),
			Concurrency:         t.Concurrency, Priority: t.Priority,
			IdempotencyTTL: int64(t.IdempotencyTTL / time.Second),
			Description:    t.Description, InputSchema: t.InputSchema,
			RegisteredAt: api.At(t.RegisteredAt), UpdatedAt: api.At(t.UpdatedAt),
		})
	}
	return out
}
