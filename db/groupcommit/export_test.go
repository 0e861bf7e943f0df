package groupcommit

// Waiting is how many callers no flusher has taken.
func (g *Group[In, Out]) Waiting() int { return len(g.waiting) }
