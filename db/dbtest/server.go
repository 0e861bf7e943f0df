package dbtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
)

// server makes the databases. It starts with the first one: tests that need none stay quick.
type server struct {
	migrate func(ctx context.Context, url string) error
	prefix  string // of its databases' names: processes may share a Postgres

	mu       sync.Mutex // one database is made at a time
	made     int
	template string
	admin    *pgxpool.Pool
	url      func(database string) string
	private  *private // nil when Postgres is not ours
}

func newServer(migrate func(ctx context.Context, url string) error) *server {
	return &server{migrate: migrate, prefix: "test_" + strings.ToLower(rand.Text()[:10])}
}

func (s *server) migrated(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.template == "" {
		if err := s.makeTemplate(ctx); err != nil {
			return "", err
		}
	}
	return s.copy(ctx, s.template)
}

func (s *server) empty(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copy(ctx, "template0")
}

func (s *server) makeTemplate(ctx context.Context) error {
	name, err := s.copy(ctx, "template0")
	if err != nil {
		return err
	}
	if s.migrate != nil {
		if err := s.migrate(ctx, s.url(name)); err != nil {
			return errors.Join(fmt.Errorf("migrate template: %w", err), s.drop(ctx, name))
		}
	}
	s.template = name
	return nil
}

// copy makes a database from one that nobody is connected to. Postgres itself gives the last ones
// five seconds to leave, so nothing is retried here.
func (s *server) copy(ctx context.Context, template string) (string, error) {
	if err := s.connect(ctx); err != nil {
		return "", err
	}
	s.made++
	name := fmt.Sprintf("%s_%d", s.prefix, s.made)
	if _, err := s.admin.Exec(ctx, `CREATE DATABASE `+name+` TEMPLATE `+template); err != nil {
		return "", fmt.Errorf("create database: %w", err)
	}
	return name, nil
}

func (s *server) drop(ctx context.Context, name string) error {
	if _, err := s.admin.Exec(ctx, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
		return fmt.Errorf("drop database: %w", err)
	}
	return nil
}

func (s *server) connect(ctx context.Context) error {
	if s.admin != nil {
		return nil
	}
	admin := os.Getenv("ORDERS_TEST_DATABASE_URL")
	if admin == "" {
		p, err := startPrivate(ctx)
		if err != nil {
			return err
		}
		s.private, admin = p, p.URL("postgres")
	}
	address, err := url.Parse(admin)
	if err != nil {
		return errors.New("ORDERS_TEST_DATABASE_URL is not a URL") // err would repeat its password
	}
	s.url = func(database string) string {
		own := *address
		own.Path = "/" + database
		return own.String()
	}
	s.admin, err = pgxpool.New(ctx, admin)
	if err != nil {
		return fmt.Errorf("connect to test server: %w", err)
	}
	return nil
}

func (s *server) stop() error {
	if s.admin == nil {
		return nil
	}
	var err error
	if s.template != "" {
		err = s.drop(context.Background(), s.template)
	}
	s.admin.Close()
	if s.private != nil {
		err = errors.Join(err, s.private.stop())
	}
	return err
}
