package controlplane

import (
	"pipedai/api"
	"pipedai/internal/openapi"
)

// releaseReference describes the routes about releases.
func releaseReference() map[string]openapi.About {
	channel := openapi.Param{Name: "channel", Text: "the channel", Type: "string", Default: api.DefaultChannel}
	storageFailing := openapi.Fail(502, "storage does not have what it was given, or refuses the server")
	missing := openapi.Fail(404, "Release not found", "program", "version", "channel")
	return map[string]openapi.About{
		"GET /api/v1/releases/latest": {
			Summary: "The newest versions of the programs that hosts run",
			Detail:  "By precedence of versions, among the releases of the channel that hosts may install. Of a program that has none it is the server's own version. Anybody may ask.",
			Params:  []openapi.Param{channel},
		},
		"GET /api/v1/releases": {
			Summary: "List releases by program, channel and sequence, the highest first",
			Detail:  "Hosts and workers do not see those whose bytes are still missing.",
			Params: []openapi.Param{
				{Name: "program", Text: "of one program", Type: "string"}, {Name: "channel", Text: "on one channel"},
				{Name: "yanked", Text: "true: only yanked ones; false: none of them", Enum: []string{"true", "false"}},
			},
		},
		"GET /api/v1/releases/{program}/{version}": {
			Summary: "A release with what was signed",
			Detail:  "The version latest is the newest one that hosts may install from the channel. Without a channel, any other version is looked for on every channel, the default one first.",
			Params:  []openapi.Param{channel},
			Errors:  []openapi.Failure{missing},
		},
		"POST /api/v1/releases/{program}/{version}": {
			Summary: "Publish a signed release",
			Detail:  "The release key has to have signed it. Hosts see it once every artifact is stored; those whose bytes the server has need not be sent. The same envelope may be sent again.",
			Answers: []openapi.Answer{{Status: 201, Text: "what is missing has stored false"}},
			Errors: []openapi.Failure{
				openapi.Fail(400, "Another release was signed"),
				openapi.Fail(409, "No release key is set"), openapi.Fail(409, "The sequence does not grow"), openapi.Fail(409, "The version is published with other bytes"),
				openapi.Fail(409, "The version was yanked, and stays so"), openapi.Fail(409, "Another key signs releases now"),
				openapi.Fail(422, "Not signed by the release key", "keyId"), openapi.Fail(422, "Not a valid release"), openapi.Fail(422, "The release has expired"),
			},
			Example: `{"payloadType":"application/vnd.pipedai.release+json","payload":"eyJwcm9ncmFtIjoi","signatures":[{"keyid":"0011223344556677","sig":"c2lnbmF0dXJl"}]}`,
		},
		"PUT /api/v1/releases/{program}/{version}/artifacts/{name}": {
			Summary:  "Send the bytes of an artifact",
			Detail:   "The body is the file. What is not byte for byte what was signed is refused, and nothing of it stays. A file that the server has is not read again.",
			BodyType: "application/octet-stream",
			Answers:  []openapi.Answer{{Body: api.StoredArtifact{}, Text: "it was there"}, {Status: 201, Body: api.StoredArtifact{}, Text: "it is stored"}},
			Errors: []openapi.Failure{
				openapi.Fail(400, "The file did not arrive whole"), openapi.Fail(404, "Artifact not found", "program", "version", "name"),
				openapi.Fail(409, "The version was yanked, and stays so"), openapi.Fail(422, "The artifact is not what was signed", "name"),
				storageFailing,
			},
		},
		"GET /api/v1/releases/{program}/{version}/artifacts/{name}": {
			Summary: "Get an artifact of a published release",
			Detail:  "Of a file that is not what was signed, the last bytes do not come. A part cannot be verified on the way. The tag is its SHA-256.",
			Params: []openapi.Param{
				{Name: "Range", In: "header", Text: "one range of bytes, such as bytes=0-1023"},
				{Name: "If-Range", In: "header", Text: "the tag that the range is of; else the whole is sent"},
				{Name: "If-None-Match", In: "header", Text: "the tag of what the caller has"},
			},
			Answers: []openapi.Answer{
				{Type: "application/octet-stream", Text: "the file"}, {Status: 206, Type: "application/octet-stream", Text: "a part of it"},
				{Status: 304, Text: "the caller has it"}, {Status: 416, Type: "text/plain", Text: "the range begins behind the end"},
			},
			Errors: []openapi.Failure{openapi.Fail(404, "Artifact not found", "program", "version", "name"), storageFailing},
		},
		"POST /api/v1/releases/{program}/{version}/yank": {
			Summary: "Take a version back",
			Detail:  "Nobody installs it any more, and it cannot be published again. What runs it goes on. Yanking again changes nothing.",
			Errors:  []openapi.Failure{missing},
			Example: `{"reason":"crashes on empty documents"}`,
		},
		"GET /api/v1/release-keys": {
			Summary: "The history of the key that signs releases",
			Detail:  "Whoever trusts any key of it can follow the rotations to the current one.",
		},
		"POST /api/v1/release-keys": {
			Summary: "Set the first release key, or replace it with a rotation that the current one signed",
			Detail:  "What is so already is answered with 200.",
			Answers: []openapi.Answer{{Text: "it was so"}, {Status: 201, Text: "it is set"}},
			Errors: []openapi.Failure{
				openapi.Fail(400, "Exactly one of first and rotation is needed"),
				openapi.Fail(409, "No release key is set"), openapi.Fail(409, "There is a release key", "keyId"),
				openapi.Fail(409, "The key was in use before"), openapi.Fail(409, "The release key was changed meanwhile"),
				openapi.Fail(422, "Not a release key"), openapi.Fail(422, "Not a rotation that the release key signed", "keyId"),
			},
			Example: `{"first":"prk_11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		},
	}
}
