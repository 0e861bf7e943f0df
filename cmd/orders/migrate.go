package main

import (
	"errors"
	"fmt"

	"orders/db"
	"orders/db/schema"
)

type migrateCmd struct {
	Up      migrateUpCmd      `cmd:"" help:"Migrate the schema to this program's version: River's migrations first, then ours."`
	Down    migrateDownCmd    `cmd:"" help:"Revert our newest migration."`
	Version migrateVersionCmd `cmd:"" help:"Print the version of the schema and of this program."`
}

type migrateUpCmd struct{}

func (migrateUpCmd) Run(p *program) error {
	if err := p.needDatabase(); err != nil {
		return err
	}

	if err := schema.Up(p.ctx, p.DatabaseURL); err != nil {
		return err
	}

	return migrateVersionCmd{}.Run(p)
}

type migrateDownCmd struct {
	All bool `help:"Revert all migrations, River's too: all data is lost. Needs --yes."`
	Yes bool `help:"Confirm that all data may be lost."`
}

func (c migrateDownCmd) Run(p *program) error {
	if err := p.needDatabase(); err != nil {
		return err
	}

	if c.All && !c.Yes {
		return errors.New("migrate down --all deletes all orders; add --yes to confirm")
	}

	if err := schema.Down(p.ctx, p.DatabaseURL, c.All); err != nil {
		return err
	}

	return migrateVersionCmd{}.Run(p)
}

type migrateVersionCmd struct{}

func (migrateVersionCmd) Run(p *program) error {
	if err := p.needDatabase(); err != nil {
		return err
	}

	pool, err := db.Open(p.ctx, p.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()

	at, err := schema.VersionOf(p.ctx, pool)
	if err != nil {
		return err
	}

	program, err := schema.ProgramVersion(pool)
	if err != nil {
		return err
	}

	_, err = fmt.Fprintf(p.stdout, "schema:  %s\nprogram: %s\n", at, program)

	return err
}
