package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// runAll runs the scenarios. Those that share nothing take turns, so that a
// machine that is slower for a while is so for all; those with a database that
// takes long to make have their runs in it, each beside another one of spread.
func (b *bench) runAll(ctx context.Context, chosen []scenario) error {
	for n := 1; n <= b.Repeat; n++ {
		for _, s := range chosen {
			if s.keep || s.once && n > 1 {
				continue
			}

			if err := b.runFresh(ctx, s, n); err != nil {
				return err
			}
		}
	}

	for _, s := range chosen {
		if !s.keep {
			continue
		}

		if err := b.runKept(ctx, s); err != nil {
			return err
		}
	}

	return nil
}

// runFresh runs a scenario in a database of its own.
func (b *bench) runFresh(ctx context.Context, s scenario, n int) error {
	title := fmt.Sprintf("%s %d/%d", s.name, n, b.Repeat)
	if s.once {
		title = s.name
	}

	return b.withDatabase(ctx, s, func(database string) error {
		f, err := b.measure(ctx, s, title, database)
		if err != nil {
			return err
		}

		b.report.add(s, f)

		return nil
	})
}

// runKept runs a scenario's runs one after the other in one database, each after a
// plain one that it is compared with: what the machine gives has changed since the
// others. Both databases stay until the end, as to drop one is a checkpoint.
func (b *bench) runKept(ctx context.Context, s scenario) error {
	plain := scenario{name: "beside " + s.name, work: s.work, orders: besideOrders, keep: true}

	repeats := b.Repeat
	if s.once {
		repeats = 1
	}

	return b.withDatabase(ctx, s, func(kept string) error {
		return b.withDatabase(ctx, plain, func(beside string) error {
			if _, err := b.postgres.admin.Exec(ctx, `CHECKPOINT`); err != nil {
				return fmt.Errorf("checkpoint: %w", err)
			}

			for n := 1; n <= repeats; n++ {
				if err := b.runBeside(ctx, plain, beside, s, kept, fmt.Sprintf("%d/%d", n, repeats)); err != nil {
					return err
				}
			}

			return nil
		})
	})
}

func (b *bench) runBeside(ctx context.Context, plain scenario, beside string, s scenario, kept, n string) error {
	without, err := b.measure(ctx, plain, plain.name+" "+n, beside)
	if err != nil {
		return err
	}

	f, err := b.measure(ctx, s, s.name+" "+n, kept)
	if err != nil {
		return err
	}

	f["to_plain"] = f["settled_per_s"] / without["settled_per_s"]
	b.report.add(s, f)

	return nil
}

// besideOrders are the orders of a plain run that a kept one is compared with.
const besideOrders = 12_000

func (b *bench) measure(ctx context.Context, s scenario, title, database string) (figures, error) {
	measure := b.measureService
	if s.alone != nil {
		measure = b.measureAlone
	}

	f, err := measure(ctx, s, title, database)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", title, err)
	}

	b.progress.donef("%s  %s settled/s", title, thousands(f["settled_per_s"]))

	return f, nil
}

// withDatabase makes a database as the scenario wants it, and drops it afterwards.
func (b *bench) withDatabase(ctx context.Context, s scenario, do func(database string) error) (err error) {
	database := "run_" + strings.ReplaceAll(s.name, " ", "_")

	if err := b.postgres.create(ctx, database); err != nil {
		return err
	}

	defer func() {
		if !b.Keep || err == nil {
			err = errors.Join(err, b.postgres.drop(context.WithoutCancel(ctx), database))
		}
	}()

	b.progress.nowf("%s  preparing", s.name)

	pool, err := pgxpool.New(ctx, b.postgres.URL(database))
	if err != nil {
		return fmt.Errorf("open pool: %w", err)
	}
	defer pool.Close()

	if err := stock(ctx, pool, s.work); err != nil {
		return err
	}

	if s.prepare != nil {
		if err := s.prepare(ctx, pool); err != nil {
			return fmt.Errorf("prepare %s: %w", s.name, err)
		}
	}

	pool.Close()

	return do(database)
}

// measureService is a run of real processes under load.
func (b *bench) measureService(ctx context.Context, s scenario, title, database string) (_ figures, err error) {
	dir := filepath.Join(b.dir, "logs", strings.ReplaceAll(title, "/", "-of-"))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}

	before, err := b.postgres.counts(ctx, database)
	if err != nil {
		return nil, err
	}

	// The first write to a page after a checkpoint logs all of it. New tables have few such pages; in big ones it would
	// be nearly every row's of a short run, where between two checkpoints of a service it is one in hundreds: those
	// runs have one before the first.
	if !s.keep {
		if _, err := b.postgres.admin.Exec(ctx, `CHECKPOINT`); err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
	}

	r := &measured{bench: b, scenario: s, title: title, url: b.postgres.URL(database), figures: figures{}}

	if r.service, err = b.startService(ctx, s, r.url, dir); err != nil {
		return nil, err
	}

	if err := r.load(ctx); err != nil {
		return nil, errors.Join(err, fmt.Errorf("the processes said: %s", r.service.logs()), r.service.stop())
	}

	if err := r.service.stop(); err != nil {
		return nil, err
	}

	if err := b.postgres.awaitSessions(ctx, database); err != nil {
		return nil, err
	}

	after, err := b.postgres.counts(ctx, database)
	if err != nil {
		return nil, err
	}

	r.counted(before, after)

	return r.figures, r.read(ctx)
}

// measureAlone is a baseline that has no processes.
func (b *bench) measureAlone(ctx context.Context, s scenario, title, database string) (figures, error) {
	b.progress.nowf("%s", title)

	settled, err := s.alone(ctx, b.postgres.URL(database), b.OrdersPerRun)

	return figures{"settled_per_s": settled}, err
}
