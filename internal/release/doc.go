// Package release is the signed form of releases, the same for whoever signs
// them (the operator), passes them on (the control plane) and checks them (the
// host): keys, envelopes, manifests and the rotation of keys.
//
// A release is an [api.ReleaseManifest] in an envelope signed with Ed25519
// (RFC 8032) over DSSE's encoding. A host trusts one key for each control
// plane, from the day it joined, and follows it through rotations that the key
// before signed. Sequence and expiry of a manifest are TUF's answers
// (https://theupdateframework.io) to servers that show old releases.
package release
