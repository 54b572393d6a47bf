package simulator

import "maps"

// Clusters counted by owner tag, which proves that there are no duplicates.

func (c *cluster) owner() string {
	tags, _ := c.settings["custom_tags"].(params)
	return textOf(tags, c.workspace.server.options.OwnerTag)
}

// MaxClustersByOwner returns, for each owner tag of a create, how many clusters
// with it existed at the same time at most. More than one is a duplicate, even
// if it was removed later.
func (s *Server) MaxClustersByOwner() map[string]int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return maps.Clone(s.owners.most)
}

// ownerCounts counts the clusters of each owner tag.
type ownerCounts struct{ existing, most map[string]int }

func newOwnerCounts() *ownerCounts {
	return &ownerCounts{existing: map[string]int{}, most: map[string]int{}}
}

func (b *ownerCounts) made(owner string) {
	if owner == "" {
		return
	}
	b.existing[owner]++
	b.most[owner] = max(b.most[owner], b.existing[owner])
}

func (b *ownerCounts) left(owner string) {
	b.existing[owner]--
	if b.existing[owner] <= 0 {
		delete(b.existing, owner)
	}
}
