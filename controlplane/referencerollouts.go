package controlplane

import (
	"pipedai/api"
	"pipedai/internal/openapi"
)

func rolloutReference() map[string]openapi.About {
	missing := openapi.Fail(404, "Rollout not found", "rolloutId")
	state := openapi.Fail(409, "The rollout is paused", "rolloutId", "status")
	started := []openapi.Answer{{Status: 201, Text: "the rollout", Body: api.RolloutDetail{}}}
	choice := []openapi.Failure{
		openapi.Fail(409, "The release was yanked or has expired, or hosts run a newer version"),
		openapi.Fail(422, "There is no such release, or none for a host that is meant, or no such host"),
	}
	starts := append([]openapi.Failure{
		openapi.Fail(409, "Another rollout of the program is running", "rolloutId"), openapi.Fail(409, "There is no host to bring to the version", "leftOut"),
	}, choice...)
	return map[string]openapi.About{
		"GET /api/v1/rollouts": {
			Summary: "List rollouts, newest first",
			Params:  []openapi.Param{{Name: "limit", Text: "how many at most", Type: "integer", Default: "50", Min: 1, Max: 500}},
		},
		"POST /api/v1/rollouts": {
			Summary: "Bring hosts to a version, a few at a time",
			Detail:  "Hosts that are away wait. One rollout of a program is under way at a time.",
			Answers: started, Errors: starts,
			Example: `{"version":"1.4.0","canary":1,"maxUnavailable":2,"maxFailures":1}`,
		},
		"POST /api/v1/rollouts/plan": {
			Summary: "Which hosts a rollout would be about, and which not", Errors: choice, Example: `{"version":"1.4.0","label":"build-*"}`,
		},
		"GET /api/v1/rollouts/{id}": {Summary: "A rollout with its hosts: what each does, and why those failed that did", Errors: []openapi.Failure{missing}},
		"POST /api/v1/rollouts/{id}/pause": {
			Summary: "Give no new orders", Detail: "Hosts that have one go on.", Errors: []openapi.Failure{missing, state}, Example: `{"note":"over the weekend"}`,
		},
		"POST /api/v1/rollouts/{id}/resume": {
			Summary: "Go on with a rollout that is paused",
			Detail:  "With retry, those that failed or refused are tried again, of a rollout that failed, too; without, they are forgiven and do not count any more.",
			Errors:  []openapi.Failure{missing, state}, Example: `{"retry":true}`,
		},
		"POST /api/v1/rollouts/{id}/abort": {
			Summary: "End a rollout", Detail: "Orders that are out are taken back; a host that is past that finishes. The rollout is aborting until every host has answered, or its deadline has passed.",
			Errors: []openapi.Failure{missing, state},
		},
		"POST /api/v1/rollouts/{id}/rollback": {
			Summary: "Take hosts back to the versions they came from",
			Detail:  "A new rollout, of the hosts that this one changed, the last first. A rollout that goes on is aborted before it.",
			Answers: started, Errors: append([]openapi.Failure{missing}, starts[:2]...),
		},
		"POST /api/v1/rollouts/{id}/rollback/plan": {Summary: "Which hosts a rollback would be about", Errors: []openapi.Failure{missing}},
	}
}
