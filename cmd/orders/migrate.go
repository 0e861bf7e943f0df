package main

import (
	"errors"
	"fmt"

	"orders/db"
)

type migrateCmd struct {
	Up      migrateUpCmd      `cmd:"" help:"Bring the schema to this program's version: River's line, then ours."`
	Down    migrateDownCmd    `cmd:"" help:"Take back our newest migration."`
	Version migrateVersionCmd `cmd:"" help:"Tell where the schema stands."`
}

type migrateUpCmd struct{}

func (migrateUpCmd) Run(p *program) error {
	if err := p.needDatabase(); err != nil {
		return err
	}

	if err := db.MigrateUp(p.ctx, p.DatabaseURL); err != nil {
		return err
	}

	return migrateVersionCmd{}.Run(p)
}

type migrateDownCmd struct {
	All bool `help:"Take back everything, River's tables, too: all data is lost. Wants --yes."`
	Yes bool `help:"All data may be lost."`
}

func (c migrateDownCmd) Run(p *program) error {
	if err := p.needDatabase(); err != nil {
		return err
	}

	if c.All && !c.Yes {
		return errors.New("migrate down --all loses all orders; add --yes if they may be lost")
	}

	if err := db.MigrateDown(p.ctx, p.DatabaseURL, c.All); err != nil {
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

	at, err := db.SchemaVersion(p.ctx, pool)
	if err != nil {
		return err
	}

	program, err := db.ProgramVersion(pool)
	if err != nil {
		return err
	}

	_, err = fmt.Fprintf(p.stdout, "schema:  %s\nprogram: %s\n", at, program)

	return err
}
