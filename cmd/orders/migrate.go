package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"orders/cmd/orders/progress"
	"orders/db"
	"orders/db/schema"
)

type migrateCmd struct {
	Up      migrateUpCmd      `cmd:"" help:"Migrate the schema to this program's version: River's migrations first, then ours."`
	Down    migrateDownCmd    `cmd:"" help:"Revert our newest migration."`
	Version migrateVersionCmd `cmd:"" help:"Print the version of the schema and of this program; exit with code 1 if they do not fit."`
	Force   migrateForceCmd   `cmd:"" help:"Record a version without running a migration. Only for a schema whose version is lost."`
}

type migrateUpCmd struct{}

func (migrateUpCmd) Run(p *program) error {
	if err := p.needDatabase(); err != nil {
		return err
	}

	bar := progress.Start(p.stderr, "migrations")
	migrator := p.migrator()
	migrator.Progress = bar.At

	if err := migrator.Up(p.ctx); err != nil {
		bar.Abandon()

		return err
	}

	bar.End("done")

	return migrateVersionCmd{}.Run(p)
}

type migrateDownCmd struct {
	All          bool `help:"Revert all migrations, River's too: all data is lost."`
	Yes          bool `help:"Confirm that the data may be lost which the migration drops."`
	WhileRunning bool `help:"Revert although programs work on the database. Those that need the migration stop working."`
}

// Run reverts after it has made sure that this is meant.
func (c migrateDownCmd) Run(p *program) error {
	if err := p.needDatabase(); err != nil {
		return err
	}

	var reverted []string

	err := p.migrator().Down(p.ctx, c.All, func(plan schema.Reversal) error {
		reverted = plan.Migrations

		return c.confirm(plan)
	})
	if err != nil {
		return err
	}

	fmt.Fprintf(p.stdout, "reverted %s\n", strings.Join(reverted, ", "))

	_, err = printVersions(p)

	return err
}

func (c migrateDownCmd) confirm(plan schema.Reversal) error {
	if len(plan.Programs) > 0 && !c.WhileRunning {
		return fmt.Errorf("programs work on this database: %s. Stop them first, or add --while-running",
			strings.Join(plan.Programs, ", "))
	}

	if len(plan.Losses) > 0 && !c.Yes {
		return fmt.Errorf("to revert %s deletes data for good:\n  %s\nAdd --yes to confirm",
			strings.Join(plan.Migrations, ", "), strings.Join(plan.Losses, "\n  "))
	}

	return nil
}

type migrateForceCmd struct {
	Version uint `arg:"" help:"The number of the newest migration that the schema has; 0 for none."`
	Yes     bool `help:"Confirm that the schema is at this version. A wrong version breaks later migrations."`
}

func (c migrateForceCmd) Run(p *program) error {
	if err := p.needDatabase(); err != nil {
		return err
	}

	if !c.Yes {
		return fmt.Errorf("migrate force only records that the schema is at version %d; it changes no table. "+
			"If that is wrong, later migrations fail or damage data. Compare the tables with the migrations, and add --yes", c.Version)
	}

	if err := p.migrator().Force(p.ctx, c.Version); err != nil {
		return err
	}

	_, err := printVersions(p)

	return err
}

type migrateVersionCmd struct{}

func (migrateVersionCmd) Run(p *program) error {
	if err := p.needDatabase(); err != nil {
		return err
	}

	mismatch, err := printVersions(p)

	return errors.Join(err, mismatch)
}

// printVersions prints the versions, and tells whether the program can work with the schema.
func printVersions(p *program) (mismatch, err error) {
	pool, err := db.Open(p.ctx, p.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer pool.Close()

	at, err := schema.VersionOf(p.ctx, pool)
	if err != nil {
		return nil, err
	}

	program, err := schema.ProgramVersion()
	if err != nil {
		return nil, err
	}

	fits := ""
	if at.Oldest > 0 {
		fits = fmt.Sprintf("; works with programs of schema %d or newer", at.Oldest)
	}

	fmt.Fprintf(p.stdout, "schema:  %s%s\nprogram: %s; works with schema %d or newer\n", at, fits, program, program.Oldest)

	return program.Fits(at), nil
}

func (p *program) migrator() schema.Migrator {
	return schema.Migrator{URL: cmp.Or(p.DirectURL, p.DatabaseURL), Log: p.log}
}
