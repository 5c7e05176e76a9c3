package daemon

// orderKinds is every kind of orders that this host carries out.
func orderKinds() map[string]orderKind { return map[string]orderKind{} }
