// Package letters has the pages about dead letters: problems by cause, dry runs, redrives and
// single letters.
package letters

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"orders/api/console/page"
	"orders/order/flow"
)

type service struct {
	pool  *pgxpool.Pool
	queue *flow.Queue
}

// Routes are those of the pages.
func Routes(site *page.Site, pool *pgxpool.Pool, queue *flow.Queue) []page.Route {
	s := &service{pool: pool, queue: queue}

	return []page.Route{
		site.Get("/console/problems", s.problems),
		site.Get("/console/problems/group", s.group),
		site.Get("/console/problems/plan", s.plan),
		site.Post("/console/problems/redrive", s.redriveGroup, s.group),
		site.Post("/console/problems/resolve", s.resolveGroup, s.group),
		site.Get("/console/redrives/{operation}", s.redrive),
		site.Get("/console/problems/letters/{job}", s.letter),
		site.Post("/console/problems/letters/{job}/redrive", s.redriveLetter, s.letter),
		site.Post("/console/problems/letters/{job}/resolve", s.resolveLetter, s.letter),
		site.Post("/console/problems/letters/{job}/reopen", s.reopenLetter, s.letter),
	}
}

// GroupAddress is the address of the page of the letters of a cause.
func GroupAddress(kind, signature string) string { return groupAddress(kind, signature, nil) }
