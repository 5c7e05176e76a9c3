package daemon

import "pipedai/api"

// orderKinds is every kind of orders that this host carries out.
func orderKinds() map[string]orderKind {
	return map[string]orderKind{
		api.OrderUpgradeWorkers: {capability: api.CapabilityUpgradeWorkers, begin: beginWorkersOrder, tell: tellWorkersOrder},
		api.OrderUpgradeSelf:    {capability: api.CapabilityUpgradeSelf, begin: beginSelfOrder, tell: tellSelfOrder},
	}
}
