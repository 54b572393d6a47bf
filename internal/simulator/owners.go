package simulator

import "maps"

// Whose clusters there are, by the owner tag: the witness against duplicates.

func (c *cluster) owner() string {
	tags, _ := c.settings["custom_tags"].(params)
	return textOf(tags, c.workspace.server.options.OwnerTag)
}

// MostByOwner is, for each owner tag a cluster was made with, how many such
// clusters existed at once at most: more than one is a duplicate, even if it
// has been cleaned up since.
func (s *Server) MostByOwner() map[string]int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return maps.Clone(s.owners.most)
}

// ownerBook counts the clusters of each owner tag.
type ownerBook struct{ existing, most map[string]int }

func newOwnerBook() *ownerBook {
	return &ownerBook{existing: map[string]int{}, most: map[string]int{}}
}

func (b *ownerBook) made(owner string) {
	if owner == "" {
		return
	}
	b.existing[owner]++
	b.most[owner] = max(b.most[owner], b.existing[owner])
}

func (b *ownerBook) left(owner string) {
	b.existing[owner]--
	if b.existing[owner] <= 0 {
		delete(b.existing, owner)
	}
}
