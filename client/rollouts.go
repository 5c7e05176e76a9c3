package client

import (
	"context"
	"net/http"
	"strconv"

	"pipedai/api"
)

// Calls of an operator about rollouts.

// PlanRollout says what StartRollout would do.
func (c *Client) PlanRollout(ctx context.Context, req api.StartRolloutRequest) (out api.RolloutPlan, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/rollouts/plan", req, &out)
}

// StartRollout begins one.
func (c *Client) StartRollout(ctx context.Context, req api.StartRolloutRequest) (out api.RolloutDetail, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/rollouts", req, &out)
}

// Rollouts lists the newest.
func (c *Client) Rollouts(ctx context.Context, limit int) (out api.Rollouts, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/rollouts?limit="+strconv.Itoa(limit), nil, &out)
}

// Rollout reads one with its targets.
func (c *Client) Rollout(ctx context.Context, id string) (out api.RolloutDetail, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/rollouts/"+escape(id), nil, &out)
}

// PauseRollout gives no new orders.
func (c *Client) PauseRollout(ctx context.Context, id string, req api.SteerRolloutRequest) (out api.RolloutDetail, err error) {
	return out, c.steer(ctx, id, "pause", req, &out)
}

// ResumeRollout goes on.
func (c *Client) ResumeRollout(ctx context.Context, id string, req api.SteerRolloutRequest) (out api.RolloutDetail, err error) {
	return out, c.steer(ctx, id, "resume", req, &out)
}

// AbortRollout ends one and takes back what is out.
func (c *Client) AbortRollout(ctx context.Context, id string, req api.SteerRolloutRequest) (out api.RolloutDetail, err error) {
	return out, c.steer(ctx, id, "abort", req, &out)
}

// PlanRollback says what RollBack would do.
func (c *Client) PlanRollback(ctx context.Context, id string, req api.RollbackRequest) (out api.RolloutPlan, err error) {
	return out, c.steer(ctx, id, "rollback/plan", req, &out)
}

// RollBack takes the hosts of a rollout back to the versions they came from.
func (c *Client) RollBack(ctx context.Context, id string, req api.RollbackRequest) (out api.RolloutDetail, err error) {
	return out, c.steer(ctx, id, "rollback", req, &out)
}

func (c *Client) steer(ctx context.Context, id, verb string, req, out any) error {
	return c.call(ctx, http.MethodPost, "/api/v1/rollouts/"+escape(id)+"/"+verb, req, out)
}
